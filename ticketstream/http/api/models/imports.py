"""Documents of imports and replays."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from ticketstream.http.api.models.parts import Answer, Question, Rate, Seconds, Text


class ApiCalls(Answer):
    """Calls an import has made."""

    zendesk: int
    embedding: int


class Import(Answer):
    """An import or a replay."""

    id: str = Field(examples=["20261122-181500-3f9a"])
    account: str
    status: Literal["waiting", "running", "completed", "cancelled", "failed"]
    paused: str | None = Field(description="why it cannot go on: a daily cap, or what Zendesk refuses")
    source: str = Field(examples=["zendesk"])
    file: str | None
    since: Text
    until: Text
    tickets: list[int] | None
    tickets_done: int
    tickets_total: int | None
    comments: Literal["single", "bulk"] | None = Field(description="how comments are read")
    events: int = Field(description="ticket events read, where comments are read in bulk")
    fetched: int
    enriched: int
    embedded: int
    indexed: int
    skipped: int
    failed: int
    vectors_uploaded: int
    api_calls: ApiCalls
    started_at: Text
    updated_at: Text
    switched_from: str | None
    switched_to: str | None
    errors: list[str]
    done: int = Field(description="tickets whose fate is known")
    total: int | None = Field(description="tickets there are; null while only the source knows")
    rate: Rate
    seconds_left: Seconds


class Imports(Answer):
    """All imports, newest first."""

    imports: list[Import]


class NewImport(Question):
    """What to import from Zendesk: everything, or what changed since a moment."""

    model_config = ConfigDict(
        extra="forbid", hide_input_in_errors=True, json_schema_extra={"example": {"since": "2026-01-01"}}
    )

    since: str | None = Field(
        None,
        max_length=40,
        description="2026-01-31, 2026-01-31T12:00 (UTC), or a span such as 30d; null is the whole account",
    )
