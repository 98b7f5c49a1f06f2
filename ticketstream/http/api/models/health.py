"""Documents about the server itself: whether it lives, what it needs, and what went wrong."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ticketstream.http.api.models.parts import Answer


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


class Alive(Answer):
    """The process lives."""

    status: Literal["ok"]
    kafka: Literal["reachable", "away"]


class Dependency(Answer):
    """A service, and why it is not ready."""

    name: str = Field(examples=["weaviate"])
    ready: bool
    reason: str


class Readiness(Answer):
    """Whether everything the pipeline stands on is there."""

    ready: bool
    dependencies: list[Dependency]
