"""How Weaviate is reached."""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator

from schemas import forgiving
from schemas.forgiving import forgiven
from schemas.settings.group import Group


class WeaviateSettings(Group):
    """How to reach Weaviate."""

    http_url: str | None = Field(None, pattern=r"^https?://", description="Weaviate's HTTP address")
    grpc_url: str | None = Field(
        None, pattern=r"^(grpcs?|https?)://", description="Weaviate's gRPC address, as grpc://host:port"
    )
    api_key: SecretStr | None = Field(None, description="Weaviate's API key, where it asks for one")
    _http = field_validator("http_url", mode="before")(forgiven(forgiving.api_url))
    _grpc = field_validator("grpc_url", mode="before")(forgiven(forgiving.grpc_url))
    _key = field_validator("api_key", mode="before")(forgiven(forgiving.token))
