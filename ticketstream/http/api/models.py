"""The documents of the API, for its OpenAPI description and for reading what is sent to it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

from schemas.stages import StageName
from streams.search import hybrid as search


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Question(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


Moment = Annotated[float, Field(description="Unix seconds", examples=[1_795_000_000.5])]
Text = Annotated[str | None, Field(description="ISO 8601, UTC", examples=["2026-11-22T18:15:00Z"])]
Seconds = Annotated[float | None, Field(description="seconds; null where nobody can tell")]
Rate = Annotated[float | None, Field(description="a second; null where it is not known yet")]


class Problem(BaseModel):
    """RFC 9457."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "type": "about:blank",
                "title": "Not Found",
                "status": 404,
                "detail": "no import has the id '20261122-181500-3f9a': see `ticketstream imports list`",
            }
        },
    )

    type: str
    title: str
    status: int
    detail: str


class Alive(_Answer):
    """The process lives."""

    status: Literal["ok"]
    kafka: Literal["reachable", "away"]


class Dependency(_Answer):
    """A service, and why it is not ready."""

    name: str = Field(examples=["weaviate"])
    ready: bool
    reason: str


class Readiness(_Answer):
    """Whether everything the pipeline stands on is there."""

    ready: bool
    dependencies: list[Dependency]


class ApiCalls(_Answer):
    """Calls an import has made."""

    zendesk: int
    embedding: int


class Import(_Answer):
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


class Imports(_Answer):
    """All imports, newest first."""

    imports: list[Import]


class NewImport(_Question):
    """What to import from Zendesk: everything, or what changed since a moment."""

    model_config = ConfigDict(
        extra="forbid", hide_input_in_errors=True, json_schema_extra={"example": {"since": "2026-01-01"}}
    )

    since: str | None = Field(
        None,
        max_length=40,
        description="2026-01-31, 2026-01-31T12:00 (UTC), or a span such as 30d; null is the whole account",
    )


class Freshness(_Answer):
    """From a change in Zendesk to its being searchable; live changes of the last 5 minutes."""

    p50: Seconds
    p95: Seconds
    objective: float
    changes: int


class Stage(_Answer):
    """A stage, in the order of the way of a ticket."""

    stage: StageName
    topics: list[str]
    backlog: int | None = Field(description="messages that wait; null while Kafka is away")
    oldest_seconds: Seconds
    rate: Rate


class Source(_Answer):
    """Messages put on tickets.changes and tickets.backfill."""

    rate: Rate


class Sink(_Answer):
    """Tickets with a receipt, and chunks in Weaviate."""

    rate: Rate
    chunks: int | None


class IndexedThrough(_Answer):
    """All of a partition up to this offset is in Weaviate."""

    topic: str = Field(examples=["tickets.embedded"])
    partition: int
    offset: int
    at: Moment = Field(description="when it was written down, Unix seconds")


class LetterCount(_Answer):
    """Dead letters that are neither retried nor discarded; null until they are counted."""

    open: int | None
    live: int | None = Field(
        description="those of live changes that no newer state of their ticket has made up for"
    )


class LoginState(_Answer):
    """Zendesk's login, as `serve` itself uses it."""

    grant: Literal["client_credentials", "refresh_token", "oauth_token", "api_token"]
    ends: Moment | None = Field(
        description="when it ends unless a person does something; null without an end"
    )
    notice: str | None = Field(description="what a person has to do before it ends")


class Overview(_Answer):
    """The state of everything."""

    at: Moment
    account: str
    state: Literal["in_step", "catching_up", "behind", "stopped", "unknown"]
    reason: str = Field(examples=["every change that has been read is searchable"])
    held_up_by: StageName | None = Field(
        description="the stage that holds it up; null where none does, or nobody can tell"
    )
    workers: int | None = Field(description="null while Kafka is away")
    freshness: Freshness
    stages: list[Stage]
    source: Source
    sink: Sink
    indexed_through: list[IndexedThrough] | None = Field(
        description="by partition, without those that nothing was indexed of; null while it is not known"
    )
    dead_letters: LetterCount
    imports: list[Import] = Field(description="those that run")
    embedding_paused: str | None
    login: LoginState | None = Field(description="null where there is none, or until it was used")


class Point(_Answer):
    """Ten seconds, from ``at`` on."""

    at: Moment
    indexed_per_second: float
    freshness_p50: Seconds
    freshness_p95: Seconds
    backlog: int | None = Field(description="null from before this server ran")


class History(_Answer):
    """The last 30 minutes, oldest first; empty until the server has read them."""

    step_seconds: int
    points: list[Point]


class HitTarget(_Answer):
    """The ticket under which a merged one is shown."""

    ticket_id: int
    subject: str
    status: str


_HIT: dict[str, Any] = {field.name: (field.type, ...) for field in msgspec.structs.fields(search.Hit)} | {
    "merged_into": (
        int | None,
        Field(description="the ticket that this one was merged into, at the end of a chain of merges"),
    ),
    "target": (
        HitTarget | None,
        Field(description="that ticket, where it is indexed and may be read: show this one under it"),
    ),
}
Hit = create_model(
    "Hit",
    __base__=_Answer,
    __doc__="A ticket that answers a search, with the passage that fits best.",
    **_HIT,
)


class Found(_Answer):
    """Tickets, the best first."""

    results: list[Hit]


class LetterGroup(_Answer):
    """Open dead letters of one stage and error; ``ids`` are the newest, at most 100."""

    stage: str
    error_type: str
    reason: str = Field(examples=["embed/RefusedError"])
    count: int
    newest_at: Moment
    message: str = Field(description="that of the newest")
    ids: list[str]


class Letters(_Answer):
    """Open dead letters by reason, the most frequent first."""

    groups: list[LetterGroup]
    open: int


class Letter(_Answer):
    """A dead letter with its original, in base64 and as text where it is text."""

    id: str
    state: Literal["open", "retried", "discarded"]
    reason: str
    stage: str
    error_type: str
    message: str
    failed_at: Text
    ticket_id: int | None
    topic: str
    partition: int
    offset: int
    line: int | None
    import_id: str | None
    key: str | None
    settled_at: Text
    retry_of: str | None
    retries: int
    failed_again_as: list[str]
    key_text: str | None
    headers: list[Annotated[list[str], Field(min_length=2, max_length=2)]]
    headers_text: list[Annotated[list[str | None], Field(min_length=2, max_length=2)]]
    value: str | None
    value_text: str | None


class Retry(_Question):
    """Which dead letters to retry: by ids, of one reason, or all open ones."""

    model_config = ConfigDict(
        extra="forbid",
        hide_input_in_errors=True,
        json_schema_extra={
            "example": {"reason": "embed/RefusedError"},
            "oneOf": [{"required": ["ids"]}, {"required": ["reason"]}, {"required": ["all"]}],
        },
    )

    ids: list[Annotated[str, Field(min_length=1, max_length=200)]] | None = Field(
        None, min_length=1, max_length=1_000
    )
    reason: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None, description="stage/error, or one of the two alone"
    )
    all: Literal[True] | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_of_them(cls, data: Any) -> Any:
        if isinstance(data, dict) and len(data.keys() & {"ids", "reason", "all"}) != 1:
            raise ValueError("give one of ids, reason and all")
        return data

    @model_validator(mode="after")
    def _not_null(self) -> Retry:
        if self.ids is None and self.reason is None and self.all is None:
            raise ValueError("give one of ids, reason and all")
        return self


class Impossible(_Answer):
    """A letter that stays open, and why."""

    id: str
    message: str


class Retried(_Answer):
    """What was sent again; ``skipped`` were retried or discarded before."""

    sent: int
    skipped: int
    dead_letters: list[str]
    impossible: list[Impossible]
    workers: int | None = Field(description="how many are there to work on it; null while it is not known")


class Login(_Question):
    """The API key."""

    key: Annotated[str, Field(min_length=1, max_length=1_000)]
