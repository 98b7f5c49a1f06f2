"""Documents of the live state: the overview, and the history of the last half hour."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.stages import StageName
from ticketstream.http.api.models.imports import Import
from ticketstream.http.api.models.parts import Answer, Moment, Rate, Seconds


class Freshness(Answer):
    """From a change in Zendesk to its being searchable; live changes of the last 5 minutes."""

    p50: Seconds
    p95: Seconds
    objective: float
    changes: int


class Stage(Answer):
    """A stage, in the order of the way of a ticket."""

    stage: StageName
    topics: list[str]
    backlog: int | None = Field(description="messages that wait; null while Kafka is away")
    oldest_seconds: Seconds
    rate: Rate


class Source(Answer):
    """Messages put on tickets.changes and tickets.backfill."""

    rate: Rate


class Sink(Answer):
    """Tickets with a receipt, and chunks in Weaviate."""

    rate: Rate
    chunks: int | None


class IndexedThrough(Answer):
    """All of a partition up to this offset is in Weaviate."""

    topic: str = Field(examples=["tickets.embedded"])
    partition: int
    offset: int
    at: Moment = Field(description="when it was written down, Unix seconds")


class LetterCount(Answer):
    """Dead letters that are neither retried nor discarded; null until they are counted."""

    open: int | None
    live: int | None = Field(
        description="those of live changes that no newer state of their ticket has made up for"
    )


class LoginState(Answer):
    """Zendesk's login, as `serve` itself uses it."""

    grant: Literal["client_credentials", "refresh_token", "oauth_token", "api_token"]
    ends: Moment | None = Field(
        description="when it ends unless a person does something; null without an end"
    )
    notice: str | None = Field(description="what a person has to do before it ends")


class Overview(Answer):
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


class Point(Answer):
    """Ten seconds, from ``at`` on."""

    at: Moment
    indexed_per_second: float
    freshness_p50: Seconds
    freshness_p95: Seconds
    backlog: int | None = Field(description="null from before this server ran")


class History(Answer):
    """The last 30 minutes, oldest first; empty until the server has read them."""

    step_seconds: int
    points: list[Point]
