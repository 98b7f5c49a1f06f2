"""What is clear is forgiven in settings, and what would be ignored in silence is named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from schemas.errors import SettingsError
from schemas.settings.load import PREFIX, data_dir, load_settings, setting_names

SECRET = "s3cr3t-never-told"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    monkeypatch.setenv(f"{PREFIX}DATA_DIR", str(tmp_path / "data"))
    return tmp_path


def plain(value: Any) -> Any:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def setting(name: str) -> Any:
    value: Any = load_settings()
    for part in name.lower().split("__"):
        value = getattr(value, part)
    return plain(value)


@pytest.mark.parametrize(
    ("name", "given", "used"),
    [
        *(
            ("ZENDESK__SUBDOMAIN", given, "acme")
            for given in (
                "acme",
                " acme\n",
                '"acme"',
                "'acme'",
                "ACME",
                "acme.zendesk.com",
                "acme.zendesk.com/",
                "https://acme.zendesk.com",
                "https://Acme.Zendesk.com/agent/dashboard?brand_id=1#x",
                "http://acme.zendesk.com:443/api/v2",
            )
        ),
        *(
            ("ZENDESK__BASE_URL", given, "https://support.acme.com")
            for given in (
                "https://support.acme.com",
                "https://support.acme.com/",
                "https://support.acme.com/api/v2",
                "https://support.acme.com/api/v2/tickets.json",
                "https://support.acme.com/agent/dashboard",
                "https://support.acme.com/hc/en-us",
                "support.acme.com",
                ' "support.acme.com/" ',
                "https:/support.acme.com",
                "https//support.acme.com/api/v2",
                "https://support.acme.com?brand_id=1#x",
                "https://support.acme.com/agent/?x=1",
            )
        ),
        ("ZENDESK__BASE_URL", "https://proxy.example.org/zendesk/", "https://proxy.example.org/zendesk"),
        ("ZENDESK__BASE_URL", "localhost:9000", "http://localhost:9000"),
        ("ZENDESK__BASE_URL", "http://[::1]:9000/", "http://[::1]:9000"),
        ("ZENDESK__EMAIL", " pat@acme.com ", "pat@acme.com"),
        ("ZENDESK__EMAIL", "pat@acme.com/token", "pat@acme.com"),
        ("ZENDESK__EMAIL", f"pat@acme.com/token:{SECRET}", "pat@acme.com"),
        ("ZENDESK__EMAIL", "mailto:pat@acme.com/TOKEN", "pat@acme.com"),
        ("ZENDESK__OAUTH_TOKEN", f"Bearer {SECRET}", SECRET),
        ("ZENDESK__OAUTH_TOKEN", f"bearer  '{SECRET}' ", SECRET),
        ("ZENDESK__OAUTH_TOKEN", f"Authorization: Bearer {SECRET}", SECRET),
        ("ZENDESK__OAUTH_TOKEN", f'"{SECRET}"\n', SECRET),
        ("ZENDESK__API_TOKEN", f"pat@acme.com/token:{SECRET}", SECRET),
        ("ZENDESK__WEBHOOK_SECRET", f" {SECRET}\n", SECRET),
        ("GEMINI__API_KEY", f"'{SECRET}'", SECRET),
        ("GEMINI__API_KEY", f"Bearer {SECRET}", SECRET),
        (
            "GEMINI__BASE_URL",
            "https://generativelanguage.googleapis.com/v1beta/",
            "https://generativelanguage.googleapis.com",
        ),
        ("WEAVIATE__API_KEY", f"Bearer {SECRET}", SECRET),
        ("WEAVIATE__HTTP_URL", "localhost:8080", "http://localhost:8080"),
        ("WEAVIATE__HTTP_URL", "10.0.0.7:8080/", "http://10.0.0.7:8080"),
        ("WEAVIATE__HTTP_URL", "weaviate:8080/v1", "http://weaviate:8080"),
        ("WEAVIATE__HTTP_URL", "acme.weaviate.cloud", "https://acme.weaviate.cloud"),
        ("WEAVIATE__HTTP_URL", "HTTP://weaviate:8080/v1/.well-known/ready", "http://weaviate:8080"),
        ("WEAVIATE__GRPC_URL", "localhost:50051", "grpc://localhost:50051"),
        ("WEAVIATE__GRPC_URL", "grpc-acme.weaviate.cloud:443", "grpcs://grpc-acme.weaviate.cloud:443"),
        ("TRACING__OTLP_ENDPOINT", "localhost:4318/v1/traces", "http://localhost:4318"),
        ("TRACING__OTLP_ENDPOINT", "http://Me:Pass@Traces:4318/v1/traces", "http://Me:Pass@traces:4318"),
        ("KAFKA__BOOTSTRAP_SERVERS", "kafka:9092", "kafka:9092"),
        ("KAFKA__BOOTSTRAP_SERVERS", "http://kafka:9092/", "kafka:9092"),
        ("KAFKA__BOOTSTRAP_SERVERS", "PLAINTEXT://a:9092, PLAINTEXT://b:9092;", "a:9092,b:9092"),
        ("KAFKA__PARTITIONS", " 16 ", 16),
        ("EMBEDDING__TOKENS_PER_MINUTE", "1,000,000", 1_000_000),
        ("EMBEDDING__TOKENS_PER_DAY", "1_000_000", 1_000_000),
        ("EMBEDDING__PROVIDER", "Local", "local"),
        ("EMBEDDING__MODEL", "models/gemini-embedding-001", "gemini-embedding-001"),
        ("ZENDESK__COMMENTS", "BULK", "bulk"),
        ("LOG_LEVEL", "WARN", "warning"),
        ("LOG_LEVEL", " ", "info"),
        ("LOG_FORMAT", "JSON", "json"),
        ("METRICS_PORT", "'9108'", 9108),
    ],
)
def test_what_is_clear_is_forgiven(monkeypatch: pytest.MonkeyPatch, name: str, given: str, used: Any) -> None:
    monkeypatch.setenv(PREFIX + name, given)
    assert setting(name) == used


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("ZENDESK__SUBDOMAIN", "support.acme.com", "ZENDESK__BASE_URL"),
        ("ZENDESK__SUBDOMAIN", "https://support.acme.com/agent", "ZENDESK__BASE_URL"),
        ("ZENDESK__SUBDOMAIN", "www.zendesk.com", "is no account's name"),
        ("ZENDESK__SUBDOMAIN", f"{SECRET}@acme.com!", "is no account's name"),
        ("ZENDESK__SUBDOMAIN", "ac me", "is no account's name"),
        ("ZENDESK__BASE_URL", f"https://pat:{SECRET}@acme.zendesk.com", "has a login in it"),
        ("ZENDESK__BASE_URL", "https://", "is no address"),
        ("ZENDESK__EMAIL", SECRET, "is no e-mail address"),
        ("ZENDESK__OAUTH_TOKEN", f"Basic {SECRET}", "set only the token itself"),
        *(
            (name, given, "copy it again")
            for name in ("ZENDESK__OAUTH_TOKEN", "ZENDESK__API_TOKEN", "GEMINI__API_KEY", "WEAVIATE__API_KEY")
            for given in ("Bearer", "Bearer ", f"{SECRET}\nx", f"\u200b{SECRET}", f"{SECRET}\u00e9")
        ),
        ("WEAVIATE__HTTP_URL", "weaviate.example.org:8080", "begin it with http:// or https://"),
        ("WEAVIATE__HTTP_URL", "ftp://weaviate", "pattern"),
        ("WEAVIATE__GRPC_URL", "localhost:http", "is no address"),
        ("WEAVIATE__GRPC_URL", "grpc://127.0.0.1:99999", "is no address"),
        ("KAFKA__BOOTSTRAP_SERVERS", f"sasl_ssl://{SECRET}:9092", "without TLS"),
        ("KAFKA__BOOTSTRAP_SERVERS", "kafka:9092/topic", "is no address"),
        ("KAFKA__BOOTSTRAP_SERVERS", ",", "is no address"),
        ("KAFKA__PARTITIONS", "16 partitions", "integer"),
        ("EMBEDDING__PROVIDER", "openai", "'local' or 'gemini'"),
    ],
)
def test_what_is_not_clear_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, given: str, says: str
) -> None:
    monkeypatch.setenv(PREFIX + name, given)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    text = str(caught.value)
    assert text.startswith(f"{PREFIX}{name}: ") and says in text
    assert "\n" not in text and SECRET not in text and "Value error" not in text


def test_the_account_is_told_by_its_own_address_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}ZENDESK__BASE_URL", "https://Acme.zendesk.com/api/v2/")
    settings = load_settings()
    assert (settings.account, settings.zendesk_url) == ("acme", "https://acme.zendesk.com")


def test_a_login_in_one_piece_is_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}ZENDESK__EMAIL", "pat@acme.com/token")
    monkeypatch.setenv(f"{PREFIX}ZENDESK__API_TOKEN", f"pat@acme.com/token:{SECRET}")
    assert (setting("ZENDESK__EMAIL"), setting("ZENDESK__API_TOKEN")) == ("pat@acme.com", SECRET)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("TICKETSTREAM_ZENDESK_SUBDOMAIN", "ZENDESK__SUBDOMAIN"),
        ("TICKETSTREAM_ZENDESK__SUBDOMIAN", "ZENDESK__SUBDOMAIN"),
        ("TICKETSTREAM_ZENDESK__SUB_DOMAIN", "ZENDESK__SUBDOMAIN"),
        ("TICKETSTREAM_ZENDESK___SUBDOMAIN", "ZENDESK__SUBDOMAIN"),
        ("TICKETSTREAM__ZENDESK__SUBDOMAIN", "ZENDESK__SUBDOMAIN"),
        ("TICKETSTREAM_SUBDOMAIN", "ZENDESK__SUBDOMAIN"),
        ("TICKETSTREAM_ZENDESK_OAUTH_TOKEN", "ZENDESK__OAUTH_TOKEN"),
        ("TICKETSTREAM_ZENDESK__TOKEN", "ZENDESK__"),
        ("TICKETSTREAM_KAFKA_BOOTSTRAP_SERVERS", "KAFKA__BOOTSTRAP_SERVERS"),
        ("TICKETSTREAM_KAFKA__BOOTSTRAP_SERVER", "KAFKA__BOOTSTRAP_SERVERS"),
        ("TICKETSTREAM_GEMINI_KEY", "GEMINI__API_KEY"),
        ("TICKETSTREAM_GEMINI__KEY", "GEMINI__API_KEY"),
        ("TICKETSTREAM_GEMINI_API_KEY", "GEMINI__API_KEY"),
        ("TICKETSTREAM_WEAVIATE_URL", "WEAVIATE__"),
        ("TICKETSTREAM_DATADIR", "DATA_DIR"),
        ("TICKETSTREAM_DATA__DIR", "DATA_DIR"),
        ("TICKETSTREAM_LOGLEVEL", "LOG_LEVEL"),
        ("TICKET_STREAM_ZENDESK__SUBDOMAIN", "ZENDESK__SUBDOMAIN"),
        ("TICKETSTREM_ZENDESK__SUBDOMAIN", "ZENDESK__SUBDOMAIN"),
        ("ticketstream_zendesk_subdomain", "ZENDESK__SUBDOMAIN"),
    ],
)
def test_a_near_miss_is_named_with_the_setting_meant(
    monkeypatch: pytest.MonkeyPatch, bare: Path, name: str, meant: str
) -> None:
    monkeypatch.setenv(name, SECRET)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value).startswith(f"{name} is not a setting of ticketstream: {PREFIX}{meant}")
    assert SECRET not in str(caught.value)
    monkeypatch.delenv(name)
    (bare / ".env").write_text(f"{name}={SECRET}\n")
    with pytest.raises(SettingsError, match=rf"{PREFIX}{meant}.* \(in \.env\)$"):
        load_settings()


def test_what_resembles_nothing_is_named_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}FOO", "1")
    with pytest.raises(SettingsError, match=r"TICKETSTREAM_FOO is not a setting .* docs/settings.md"):
        load_settings()


@pytest.mark.parametrize("group", ["ZENDESK", "KAFKA", "WEAVIATE", "HTTP"])
@pytest.mark.parametrize("value", ["acme", "5", "[1]", '"x"', "{", "https://acme.zendesk.com"])
def test_a_group_given_as_one_value_names_its_settings(
    monkeypatch: pytest.MonkeyPatch, group: str, value: str
) -> None:
    monkeypatch.setenv(PREFIX + group, value)
    with pytest.raises(SettingsError, match=f"{PREFIX}{group} is a group of settings: set {PREFIX}{group}__"):
        load_settings()


def test_the_prefix_alone_is_no_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX, "acme")
    with pytest.raises(SettingsError, match=r"^TICKETSTREAM_ is not a setting"):
        load_settings()


def test_a_group_given_as_json_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}ZENDESK", '{"subdomain": "https://acme.zendesk.com", "poll_seconds": 5}')
    assert (load_settings().account, load_settings().zendesk.poll_seconds) == ("acme", 5)
    monkeypatch.setenv(f"{PREFIX}ZENDESK", '{"subdomian": "acme"}')
    with pytest.raises(SettingsError, match=r"ZENDESK__SUBDOMIAN is not a setting .*ZENDESK__SUBDOMAIN is"):
        load_settings()


def test_small_letters_do_as_well(monkeypatch: pytest.MonkeyPatch, bare: Path) -> None:
    monkeypatch.delenv(f"{PREFIX}DATA_DIR")
    monkeypatch.setenv("ticketstream_zendesk__subdomain", "acme")
    monkeypatch.setenv("ticketstream_data_dir", f"'{bare}/own'")
    assert load_settings().account == "acme"
    assert data_dir() == load_settings().data_dir == bare / "own"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TICKETSTREAM_CACHE_DIR", "/tmp/x"),
        ("TICKETSTREAM_SERVICE_HOST", "10.0.0.1"),
        ("TICKETSTREAM_SERVICE_PORT_HTTP", "8088"),
        ("TICKETSTREAM_PORT", "tcp://10.0.0.1:8088"),
        ("TICKETSTREAM_SERVE_PORT_8088_TCP_ADDR", "10.0.0.1"),
        ("TICKETSTREAM_KAFKA_PORT", "tcp://10.0.0.1:9092"),
        ("TICKETSTREAM_FOO", ""),
        ("ZENDESK_SUBDOMAIN", "of-another-tool"),
        ("GEMINI_API_KEY", "of-another-tool"),
        ("KAFKA__BOOTSTRAP_SERVERS", "of-another-tool"),
    ],
)
def test_what_is_not_meant_for_settings_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert load_settings().zendesk.subdomain is None


def test_every_setting_passes_and_nothing_else_begins_like_one() -> None:
    names = setting_names()
    assert "SUBDOMAIN" in names["ZENDESK"] and "DATA_DIR" in names[""]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "ZENDESK__SUBDOMAIN=acme",
            r"ZENDESK__SUBDOMAIN is not .*: TICKETSTREAM_ZENDESK__SUBDOMAIN is \(in \.env\)",
        ),
        (f"TICKETSTREAM_ZENDESK__OAUTH_TOKEN: {SECRET}", "has a line that cannot be read, line 2"),
        (f"TICKETSTREAM_ZENDESK__OAUTH_TOKEN {SECRET}", "has a line that cannot be read, line 2"),
    ],
)
def test_a_line_of_dotenv_that_would_be_ignored_is_named(
    bare: Path, text: str, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    (bare / ".env").write_text(f"GRAFANA_ADMIN_PASSWORD=x\n{text}\n")
    with pytest.raises(SettingsError, match=says) as caught:
        load_settings()
    assert SECRET not in str(caught.value)
    assert not caplog.records  # one line says it


def test_dotenv_is_read_with_a_byte_order_mark_and_refused_in_another_encoding(bare: Path) -> None:
    (bare / ".env").write_bytes(b"\xef\xbb\xbfTICKETSTREAM_ZENDESK__SUBDOMAIN=acme\r\nexport X=1\r\n")
    assert load_settings().account == "acme"
    (bare / ".env").write_text("TICKETSTREAM_ZENDESK__SUBDOMAIN=acme\n", encoding="utf-16")
    with pytest.raises(SettingsError, match="is no UTF-8 text"):
        load_settings()
