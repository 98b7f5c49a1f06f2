"""Settings: where they come from, who wins, and what a wrong one is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.cluster import Cluster
from schemas.errors import SettingsError
from schemas.settings.load import PREFIX, STACK_ENV, Settings, data_dir, load_settings

SECRET = "hunter2-do-not-tell"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Run in an empty folder, with no setting but a data directory of its own."""
    (tmp_path / "data").mkdir()
    monkeypatch.setenv(f"{PREFIX}DATA_DIR", str(tmp_path / "data"))
    return tmp_path


def write(path: Path, **values: str) -> None:
    path.write_text("".join(f"{PREFIX}{name}={value}\n" for name, value in values.items()))


def test_defaults_need_nothing() -> None:
    settings = load_settings()
    assert settings.kafka.partitions == 8
    assert settings.embedding_provider == "local"
    assert (settings.embedding_model, settings.embedding_dimensions) == ("wordllama", 256)
    assert settings.metrics_port == 0


def test_environment_wins_over_dotenv_which_wins_over_the_stack(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "KAFKA__BOOTSTRAP_SERVERS"
    write(bare / "data" / STACK_ENV, **{name: "stack:1", "KAFKA__PARTITIONS": "3"})
    assert load_settings().cluster.servers == "stack:1"
    write(bare / ".env", **{name: "dotenv:2"})
    settings = load_settings()
    assert settings.cluster == Cluster("dotenv:2", 3)
    monkeypatch.setenv(PREFIX + name, "environment:3")
    settings = load_settings()
    assert settings.cluster == Cluster("environment:3", 3)


def test_what_the_stack_wrote_can_be_left_out(bare: Path) -> None:
    write(bare / "data" / STACK_ENV, KAFKA__BOOTSTRAP_SERVERS="stack:1")
    assert load_settings(local_stack=False).kafka.bootstrap_servers is None


def test_dotenv_names_the_data_directory_whose_stack_is_read(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(f"{PREFIX}DATA_DIR")
    other = bare / "other"
    other.mkdir()
    write(bare / ".env", DATA_DIR=str(other))
    write(other / STACK_ENV, KAFKA__BOOTSTRAP_SERVERS="other:1")
    assert data_dir() == other
    settings = load_settings()
    assert (settings.data_dir, settings.cluster.servers) == (other, "other:1")


def test_an_empty_variable_is_none(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}KAFKA__PARTITIONS", "")
    monkeypatch.setenv(f"{PREFIX}EMBEDDING__PROVIDER", "")
    settings = load_settings()
    assert (settings.kafka.partitions, settings.embedding_provider) == (8, "local")


def test_a_gemini_key_chooses_gemini_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}GEMINI__API_KEY", SECRET)
    settings = load_settings()
    assert (settings.embedding_provider, settings.embedding_model) == ("gemini", "gemini-embedding-001")
    assert settings.embedding_dimensions == 768
    monkeypatch.setenv(f"{PREFIX}EMBEDDING__PROVIDER", "local")
    monkeypatch.setenv(f"{PREFIX}EMBEDDING__DIMENSIONS", "64")
    settings = load_settings()
    assert (settings.embedding_provider, settings.embedding_dimensions) == ("local", 64)


def test_the_address_of_zendesk_follows_from_its_subdomain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}ZENDESK__SUBDOMAIN", "acme")
    assert load_settings().zendesk_url == "https://acme.zendesk.com"
    monkeypatch.setenv(f"{PREFIX}ZENDESK__BASE_URL", "http://127.0.0.1:9000/")
    assert load_settings().zendesk_url == "http://127.0.0.1:9000"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KAFKA__PARTITIONS", "many-8831"),
        ("KAFKA__PARTITIONS", "0"),
        ("KAFKA__PARTITIONS", "1025"),
        ("WEAVIATE__HTTP_URL", "weaviate-8831.example.org:8080"),
        ("WEAVIATE__GRPC_URL", "ftp://weaviate-8831"),
        ("ZENDESK__SUBDOMAIN", "acme.zendesk-8831.com"),
        ("ZENDESK__EMAIL", "no-address-8831"),
        ("ZENDESK__OAUTH_TOKEN", "Basic 8831"),
        ("ZENDESK__BASE_URL", "https://me:8831@acme.zendesk.com"),
        ("KAFKA__BOOTSTRAP_SERVERS", "sasl_ssl://kafka-8831:9093"),
        ("ZENDESK__POLL_SECONDS", "-8831"),
        ("EMBEDDING__PROVIDER", "openai-8831"),
        ("EMBEDDING__DIMENSIONS", "31"),
        ("EMBEDDING__QUOTA_UNIT", "tokens-8831"),
        ("LOG_LEVEL", "loud-8831"),
        ("METRICS_PORT", "88310"),
    ],
)
def test_a_wrong_setting_is_named_but_its_value_never_told(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    text = str(caught.value)
    assert text.startswith(f"{PREFIX}{name}: ")
    assert "\n" not in text
    assert "8831" not in text
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__  # pydantic's own error holds the value


def test_all_wrong_settings_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}KAFKA__PARTITIONS", "x")
    monkeypatch.setenv(f"{PREFIX}LOG_LEVEL", "y")
    with pytest.raises(SettingsError, match=r"KAFKA__PARTITIONS: .*; .*LOG_LEVEL: "):
        load_settings()


def test_a_mistyped_name_in_a_group_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}ZENDESK__OAUTH_TOKN", SECRET)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value) == (
        "TICKETSTREAM_ZENDESK__OAUTH_TOKN is not a setting of ticketstream: "
        "TICKETSTREAM_ZENDESK__OAUTH_TOKEN is"
    )


@pytest.mark.parametrize(
    ("ask", "variable"),
    [
        ("cluster", "KAFKA__BOOTSTRAP_SERVERS"),
        ("weaviate_http_url", "WEAVIATE__HTTP_URL"),
        ("weaviate_grpc_url", "WEAVIATE__GRPC_URL"),
        ("account", "ZENDESK__SUBDOMAIN"),
        ("zendesk_url", "ZENDESK__SUBDOMAIN"),
    ],
)
def test_a_missing_setting_is_named_when_it_is_needed(ask: str, variable: str) -> None:
    with pytest.raises(SettingsError, match=f"set {PREFIX}{variable}"):
        getattr(load_settings(), ask)


SECRETS = (
    "WEAVIATE__API_KEY",
    "ZENDESK__OAUTH_CLIENT_SECRET",
    "ZENDESK__OAUTH_REFRESH_TOKEN",
    "ZENDESK__OAUTH_TOKEN",
    "ZENDESK__API_TOKEN",
    "ZENDESK__WEBHOOK_SECRET",
    "GEMINI__API_KEY",
)


def test_secrets_show_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRETS:
        monkeypatch.setenv(PREFIX + name, SECRET)
    settings = load_settings()
    shown = (
        repr(settings),
        str(settings),
        f"{settings.zendesk} {settings.gemini!r} {settings.weaviate}",
        settings.model_dump_json(),
        json.dumps(settings.model_dump(mode="json")),
        repr(settings.model_dump()),
    )
    assert all(SECRET not in text for text in shown)
    token = settings.zendesk.oauth_token
    assert token is not None
    assert token.get_secret_value() == SECRET


def test_every_setting_that_sounds_secret_is_kept_secret() -> None:
    from pydantic import SecretStr

    for group, field in Settings.model_fields.items():
        for name, inner in getattr(field.annotation, "model_fields", {}).items():
            words = ("key", "oauth_token", "api_token", "refresh_token", "secret", "password")
            if any(word in name for word in words):
                assert inner.annotation == SecretStr | None, f"{group}.{name} would show"


def test_every_setting_says_what_it_is() -> None:
    for field in Settings.model_fields.values():
        inner = getattr(field.annotation, "model_fields", None)
        for one in inner.values() if inner else [field]:
            assert one.description


def test_settings_cannot_be_changed() -> None:
    settings = load_settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.log_level = "debug"  # type: ignore[misc]
    with pytest.raises(ValueError, match="frozen"):
        settings.kafka.partitions = 2  # type: ignore[misc]


def test_the_data_directory_is_found_without_looking_at_the_rest(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{PREFIX}KAFKA__PARTITIONS", "nonsense")
    assert data_dir() == bare / "data"
    assert data_dir({f"{PREFIX}DATA_DIR": "~/tickets"}) == Path.home() / "tickets"
    assert data_dir({}).name == "ticketstream"
