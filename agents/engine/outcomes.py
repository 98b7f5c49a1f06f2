"""What a stage says about one message: what to send, what to remember, how to count it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from streams.kafka.dead_letters import dead_letter, dead_letter_record, log_dead_letter
from streams.kafka.messages import Incoming, Record

Verdict = Literal["sent", "skipped", "repeated", "failed"]


class Mark(NamedTuple):
    """An entry for a table, written once the records are on the broker."""

    table: str
    key: bytes
    entry: Any


@dataclass(slots=True)
class Outcome:
    """The outcome of one message at one stage.

    ``is_current`` is called just before anything is sent, as a newer version may have been sent by the
    other lane meanwhile. When it returns False, the message counts as skipped with the reason ``stale``,
    and ``if_stale`` is sent in place of ``records``.
    """

    verdict: Verdict
    reason: str = ""
    records: list[Record] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    account: str = ""
    import_id: str = ""
    vectors: int = 0
    calls: int = 0
    is_current: Callable[[], bool] | None = None
    if_stale: list[Record] = field(default_factory=list)
    ahead_of_order: bool = False
    """Its records are sent at once, ahead of unfinished messages before it; it is acknowledged in order."""
    at_last: Callable[[], tuple[list[Record], list[Mark]]] | None = None
    """Called once, right before ``records`` are sent: returns records and table entries to add to them."""
    changed_at: float | None = None
    """Set by the last stage, for the freshness of live changes."""


Handler = Callable[[Incoming], Awaitable[Outcome]]
"""What a stage does with a message."""


def failed(stage: str, message: Incoming, error: BaseException, account: str, import_id: str) -> Outcome:
    """Return the outcome of a message that can never succeed."""
    letter = dead_letter(stage, message, error, import_id)
    log_dead_letter(letter, error)
    return Outcome(
        "failed",
        reason=letter.error_type,
        records=[dead_letter_record(letter, message.key, message.partition)],
        account=account,
        import_id=import_id,
    )
