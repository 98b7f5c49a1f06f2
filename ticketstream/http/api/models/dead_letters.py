"""Documents of dead letters, and of retrying them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from ticketstream.http.api.models.parts import Answer, Moment, Question, Text


class LetterGroup(Answer):
    """Open dead letters of one stage and error; ``ids`` are the newest, at most 100."""

    stage: str
    error_type: str
    reason: str = Field(examples=["embed/RefusedError"])
    count: int
    newest_at: Moment
    message: str = Field(description="that of the newest")
    ids: list[str]


class Letters(Answer):
    """Open dead letters by reason, the most frequent first."""

    groups: list[LetterGroup]
    open: int


class Letter(Answer):
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


class Retry(Question):
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


class Impossible(Answer):
    """A letter that stays open, and why."""

    id: str
    message: str


class Retried(Answer):
    """What was sent again; ``skipped`` were retried or discarded before."""

    sent: int
    skipped: int
    dead_letters: list[str]
    impossible: list[Impossible]
    workers: int | None = Field(description="how many are there to work on it; null while it is not known")
