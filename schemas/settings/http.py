"""The HTTP server."""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator

from schemas import forgiving
from schemas.forgiving import forgiven
from schemas.settings.group import Group


class HttpSettings(Group):
    """Where ``ticketstream serve`` listens."""

    host: str = Field("127.0.0.1", min_length=1, description="address that `ticketstream serve` listens at")
    port: int = Field(8088, ge=0, le=65_535, description="port of `ticketstream serve`; 0: any free one")
    api_key: SecretStr | None = Field(
        None, min_length=16, description="key of the HTTP API; default: one is made in DATA_DIR/api-key"
    )
    _key = field_validator("api_key", mode="before")(forgiven(forgiving.token))
