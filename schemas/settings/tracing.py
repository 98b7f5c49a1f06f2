"""Where traces go."""

from __future__ import annotations

from pydantic import Field, field_validator

from schemas import forgiving
from schemas.forgiving import forgiven
from schemas.settings.group import Group


class TracingSettings(Group):
    """Where OpenTelemetry traces go, and how many."""

    otlp_endpoint: str | None = Field(
        None,
        pattern=r"^https?://",
        description="OTLP/HTTP collector of traces, as http://host:4318; "
        "default `OTEL_EXPORTER_OTLP_ENDPOINT`; without both no traces",
    )
    sample_ratio: float = Field(
        1.0,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="the part of all traces that is kept, 0 to 1",
    )
    _endpoint = field_validator("otlp_endpoint", mode="before")(forgiven(forgiving.collector_url))
