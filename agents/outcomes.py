"""What a stage says about one message: what to send, what to remember, how to count it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from agents.producer import Record
from schemas.errors import PermanentError
from schemas.ids import ticket_key

Verdict = Literal["sent", "skipped", "repeated", "failed"]


class Incoming(NamedTuple):
    """A message as it lies on its topic."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


def incoming(event: Any) -> Incoming:
    """Return the message of a Faust event."""
    raw = event.message
    headers = raw.headers or ()
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)
    return Incoming(raw.topic, raw.partition, raw.offset, raw.key, raw.value, pairs)


def own_key(message: Incoming, account: str, ticket_id: int) -> bytes:
    """Return the key of a message's ticket; raises PermanentError when it lies under another."""
    key = ticket_key(account, ticket_id)
    if message.key != key:
        raise PermanentError(f"the message's key is {message.key!r}, but its ticket is {key!r}")
    return key


class Mark(NamedTuple):
    """An entry for a table, written once the records are on the broker."""

    table: str
    key: bytes
    entry: Any


@dataclass(slots=True)
class Done:
    """The outcome of one message at one stage.

    ``still_wanted`` is asked again just before anything is sent: a newer version may have passed
    on the other lane meanwhile; when it says no, the message counts as skipped for ``stale``, and
    ``otherwise`` is sent in place of ``records``.
    """

    verdict: Verdict
    reason: str = ""
    records: list[Record] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    account: str = ""
    import_id: str = ""
    vectors: int = 0
    calls: int = 0
    still_wanted: Callable[[], bool] | None = None
    otherwise: list[Record] = field(default_factory=list)
    overtakes: bool = False
    """Its records are sent at once, ahead of unfinished messages before it; it is acknowledged in order."""
    at_last: Callable[[], tuple[list[Record], list[Mark]]] | None = None
    """Asked once, right before it is sent: what else is to be sent and noted then."""
    changed_at: float | None = None
    """Set by the last stage, for the freshness of live changes."""
