"""Settings: environment, ``.env``, then what a running local stack wrote into the data directory.

Every variable starts with ``TICKETSTREAM_``; groups are joined with ``__``. Secrets are SecretStr,
so that they never show in logs, errors or ``--json``.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from dotenv import dotenv_values
from platformdirs import user_data_path
from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas import forgiving
from schemas.cluster import Cluster
from schemas.errors import SettingsError
from schemas.forgiving import forgiven
from schemas.setting_names import PREFIX as PREFIX
from schemas.setting_names import check_dotenv, check_names, not_a_setting
from schemas.settings.embedding import EmbeddingSettings, GeminiSettings
from schemas.settings.http import HttpSettings
from schemas.settings.kafka import KafkaSettings
from schemas.settings.tracing import TracingSettings
from schemas.settings.weaviate import WeaviateSettings
from schemas.settings.zendesk import ZendeskSettings

STACK_ENV: Final = "stack.env"
"""File in the data directory with the settings that reach the local stack."""
OTLP_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
"""OpenTelemetry's own variable."""
_ENCODING: Final = "utf-8-sig"
"""Of ``.env``: some editors put a byte order mark before UTF-8."""
# A line that cannot be read is named by check_dotenv, where it concerns us.
logging.getLogger("dotenv.main").setLevel(logging.ERROR)

_SHORTEST_SECRET: Final = 6
"""Shorter ones would black out ordinary words."""


class Settings(BaseSettings):
    """All settings; see load_settings."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="ignore", frozen=True, env_ignore_empty=True
    )

    kafka: KafkaSettings = KafkaSettings()
    weaviate: WeaviateSettings = WeaviateSettings()
    zendesk: ZendeskSettings = ZendeskSettings()
    embedding: EmbeddingSettings = EmbeddingSettings()
    gemini: GeminiSettings = GeminiSettings()
    http: HttpSettings = HttpSettings()
    tracing: TracingSettings = TracingSettings()
    data_dir: Path = Field(
        default_factory=lambda: user_data_path("ticketstream"),
        description="where the local stack and the workers keep their data",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="how much is logged: `debug`, `info`, `warning`, `error`"
    )
    log_format: Literal["json", "console"] | None = Field(
        None, description="`json`, or `console` for people; default `console` on a terminal, else `json`"
    )

    metrics_host: str = Field(
        "127.0.0.1", min_length=1, description="address that the workers show /metrics at"
    )
    metrics_port: int = Field(
        0, ge=0, le=65_000, description="port of the first worker's /metrics, the next ones follow; 0: none"
    )
    _data_dir = field_validator("data_dir", mode="before")(
        forgiven(lambda text: str(Path(text).expanduser()))
    )
    _level = field_validator("log_level", mode="before")(forgiven(forgiving.level))

    @model_validator(mode="before")
    @classmethod
    def _tidied(cls, given: Any) -> Any:
        return forgiving.tidied(cls, given)

    @property
    def cluster(self) -> Cluster:
        """How Kafka is reached; raises SettingsError when its address is not set."""
        servers = require(self.kafka.bootstrap_servers, "KAFKA__BOOTSTRAP_SERVERS", "Kafka's address")
        return Cluster(servers, self.kafka.partitions)

    @property
    def weaviate_http_url(self) -> str:
        """Weaviate's HTTP address; raises SettingsError when it is not set."""
        return require(self.weaviate.http_url, "WEAVIATE__HTTP_URL", "Weaviate's address")

    @property
    def weaviate_grpc_url(self) -> str:
        """Weaviate's gRPC address; raises SettingsError when it is not set."""
        return require(self.weaviate.grpc_url, "WEAVIATE__GRPC_URL", "Weaviate's gRPC address")

    @property
    def account(self) -> str:
        """The Zendesk account (its subdomain); raises SettingsError when it is not set."""
        return require(self.zendesk.subdomain, "ZENDESK__SUBDOMAIN", "the Zendesk account")

    @property
    def zendesk_url(self) -> str:
        """Where the Zendesk API is, without a slash at the end."""
        return (self.zendesk.base_url or f"https://{self.account}.zendesk.com").rstrip("/")

    @property
    def tracing_endpoint(self) -> str | None:
        """Where traces go, by our own setting or OpenTelemetry's variable; None for no traces."""
        return self.tracing.otlp_endpoint or os.environ.get(OTLP_ENDPOINT) or None

    @property
    def embedding_provider(self) -> Literal["local", "gemini"]:
        """The provider in force."""
        if self.embedding.provider:
            return self.embedding.provider
        return "gemini" if self.gemini.api_key else "local"

    @property
    def embedding_model(self) -> str:
        """The model in force."""
        default = "wordllama" if self.embedding_provider == "local" else "gemini-embedding-001"
        return self.embedding.model or default

    @property
    def embedding_dimensions(self) -> int:
        """The size of a vector."""
        return self.embedding.dimensions or (256 if self.embedding_provider == "local" else 768)


def secrets_of(settings: BaseModel) -> list[str]:
    """Return the values of all secrets that are set, for whoever must not write one down."""
    found: list[str] = []
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, BaseModel):
            found += secrets_of(value)
        elif isinstance(value, SecretStr) and len(value.get_secret_value()) >= _SHORTEST_SECRET:
            found.append(value.get_secret_value())
    return found


def require(value: str | None, variable: str, what: str) -> str:
    """Return the value; raises SettingsError naming the variable when there is none."""
    if value:
        return value
    raise SettingsError(
        f"{what} is not set: set {PREFIX}{variable}, or start the local stack with `ticketstream up`"
    )


def data_dir(environment: dict[str, str] | None = None) -> Path:
    """Return the data directory that the environment or ``.env`` names, without checking anything else."""
    env = os.environ if environment is None else environment
    value = _value_of(f"{PREFIX}DATA_DIR", env) or _value_of(f"{PREFIX}DATA_DIR", _dotenv(Path(".env")))
    return Path(value).expanduser() if value else user_data_path("ticketstream")


def _value_of(name: str, values: Mapping[str, str | None]) -> str:
    """Return a value by its name, in any letters; "" where there is none."""
    found = values.get(name) or next((value for key, value in values.items() if key.upper() == name), None)
    given = forgiving.tidied(Settings, {"data_dir": found})
    return given.get("data_dir") or ""


def _dotenv(path: Path) -> dict[str, str | None]:
    """Return what ``.env`` says; raises SettingsError when it cannot be read."""
    try:
        return dotenv_values(path, encoding=_ENCODING) if path.is_file() else {}
    except UnicodeDecodeError:
        raise SettingsError(f"{path.absolute()} is no UTF-8 text: save it as UTF-8") from None
    except OSError as error:
        raise SettingsError(f"{path.absolute()} cannot be read: {error.strerror or error}") from None


def load_settings(*, local_stack: bool = True) -> Settings:
    """Read all settings.

    The environment wins over ``.env``, which wins over what a running local stack wrote
    (left out with ``local_stack=False``). Raises SettingsError naming each wrong variable, and each that
    begins like a setting and is none.
    """
    dotenv = Path(".env")
    in_dotenv = _dotenv(dotenv)
    names = setting_names()
    if dotenv.is_file():
        check_dotenv(dotenv, names)
    check_names(os.environ, names)
    check_names(in_dotenv, names, where=".env")
    # Later files win in pydantic-settings.
    files: list[Path] = [data_dir() / STACK_ENV] if local_stack else []
    files.append(dotenv)
    try:
        options: dict[str, Any] = {"_env_file": [file for file in files if file.is_file()]}
        return Settings(**options, _env_file_encoding=_ENCODING)
    except ValidationError as error:
        raise SettingsError(describe(error)) from None


def setting_names() -> dict[str, list[str]]:
    """Return the settings' names without their prefix: for each group its fields, under "" those in none."""
    names: dict[str, list[str]] = {"": []}
    for name, field in Settings.model_fields.items():
        inner = getattr(field.annotation, "model_fields", None)
        if inner is None:
            names[""].append(name.upper())
        else:
            names[name.upper()] = [each.upper() for each in inner]
    return names


def describe(error: ValidationError) -> str:
    """Return one line that names each wrong variable and what is wrong with it, without its value."""
    parts = []
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        name = "__".join(str(part) for part in problem["loc"]).upper()
        if problem["type"] == "extra_forbidden":
            parts.append(not_a_setting(PREFIX + name, setting_names()))
        else:
            parts.append(f"{PREFIX}{name}: {problem['msg'].removeprefix('Value error, ')}")
    return "; ".join(parts)
