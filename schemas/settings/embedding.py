"""Which model makes vectors, and what it may cost."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr, field_validator

from schemas import forgiving
from schemas.forgiving import forgiven
from schemas.settings.group import Group


class EmbeddingSettings(Group):
    """Which vectors, and what the provider allows."""

    provider: Literal["local", "gemini"] | None = Field(
        None, description="default gemini with GEMINI__API_KEY, else local"
    )
    model: str | None = Field(None, description="default wordllama (local) or gemini-embedding-001")
    dimensions: int | None = Field(None, ge=32, le=3072, description="default 256 (local) or 768 (gemini)")
    requests_per_minute: int = Field(3000, ge=1, description="the provider's request limit")
    tokens_per_minute: int = Field(1_000_000, ge=1, description="the provider's token limit")
    quota_unit: Literal["call", "text"] = Field(
        "call", description="what one request of the quota is: a call, or each text of it"
    )
    requests_per_day: int | None = Field(
        None,
        ge=1,
        description="daily cap (UTC days) of a paid provider, in QUOTA_UNIT; default none",
    )
    tokens_per_day: int | None = Field(
        None, ge=1, description="daily cap (UTC days) of a paid provider, in estimated tokens; default none"
    )
    usd_per_million_tokens: float | None = Field(
        None, ge=0, allow_inf_nan=False, description="price for `import --dry-run`; default the list price"
    )
    _model = field_validator("model", mode="before")(forgiven(forgiving.model))


class GeminiSettings(Group):
    """How to reach Gemini."""

    api_key: SecretStr | None = Field(None, description="the key of Google AI Studio")
    base_url: str | None = Field(None, pattern=r"^https?://", description="default: Google's own address")
    _key = field_validator("api_key", mode="before")(forgiven(forgiving.token))
    _url = field_validator("base_url", mode="before")(forgiven(forgiving.api_url))
