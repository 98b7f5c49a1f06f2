"""Which messages a replay takes: the newest of each ticket, of the account, tickets and time wanted."""

from __future__ import annotations

from array import array
from typing import Any, Final

import msgspec

from schemas.codec import SCHEMA_HEADER, names_of, peek
from schemas.headers.replays import REPLAY_HEADER, REPLAYED_TOPIC, ReplayFrom, replay_headers, replay_of
from schemas.headers.traces import as_former
from schemas.ids import ticket_key
from schemas.messages.imports import ImportRecord, ImportSpec
from schemas.messages.tickets import EmbeddedTicket, EnrichedTicket, TicketChange
from schemas.topics import BACKFILL, CHANGES
from streams.kafka.messages import Record
from streams.kafka.partitions import partition_of

_SCHEMAS: Final[dict[ReplayFrom, frozenset[bytes]]] = {
    "changes": names_of(TicketChange),
    "enriched": names_of(EnrichedTicket),
    "embedded": names_of(EmbeddedTicket),
}


class _Times(msgspec.Struct):
    """When a whole ticket was put on its topic first; a replay puts it there again, as it was."""

    enriched_at: float = 0.0
    embedded_at: float = 0.0


class _Version(msgspec.Struct):
    version: int


class Choice:
    """Which messages of a topic a replay takes; ``partitions`` is how many there are now."""

    def __init__(self, record: ImportRecord, partitions: int) -> None:
        spec = record.spec
        if not spec.replay:
            raise ValueError(f"import {record.id} is no replay")
        self._id = record.id
        self._from: ReplayFrom = spec.replay
        self._spec = spec
        self._partitions = partitions
        self._prefix = f"{record.account}:".encode()
        self._keys = {ticket_key(record.account, number) for number in spec.tickets}

    def takes(self, raw: Any) -> bool:
        """Return whether a message is of the account, the tickets and the time, and no copy of a replay."""
        headers = dict(raw.headers or ())
        if headers.get(SCHEMA_HEADER) not in _SCHEMAS[self._from] or raw.value is None or raw.key is None:
            return False  # a dead letter of the stage it came to
        if not raw.key.startswith(self._prefix) or (self._keys and raw.key not in self._keys):
            return False
        if self._from != "changes" and self._home(raw) != raw.partition:
            return False  # its ticket has moved to another partition since, and so has a copy of this
        replay = replay_of(raw.headers)
        # A copy that an earlier replay made of a change is left out, as its original is there too. Such a
        # copy of a whole ticket is taken, as compaction may have left no other.
        if replay == self._id or (replay and self._from == "changes"):
            return False
        return self._in_time(raw)

    def _in_time(self, raw: Any) -> bool:
        since, until = self._spec.since, self._spec.until
        if not since and not until:
            return True
        if self._from == "changes":
            at = raw.timestamp / 1000
        else:
            times = peek(raw.value, _Times)
            at = 0.0 if times is None else times.embedded_at or times.enriched_at
            if not at:
                return False  # no whole ticket: a dead letter of the stage it came to
        return bool(at >= since and (not until or at < until))

    def record_of(self, raw: Any) -> Record:
        """Return a message as it goes to the backfill lane: its key and bytes, and this replay's header."""
        headers = [each for each in as_former(raw.headers) if each[0] != REPLAY_HEADER]
        return Record(BACKFILL, self._home(raw), raw.key, raw.value, headers + replay_headers(self._id))

    def _home(self, raw: Any) -> int:
        return partition_of(raw.key, self._partitions)


class Newest:
    """Finds the newest message of each ticket of one partition.

    Of changes, which lie on two topics, it is that of the highest version; whole tickets lie in order.
    """

    def __init__(self, replayed: str) -> None:
        self._by_version = replayed == "changes"
        self._found: dict[bytes, tuple[int, int, str, int]] = {}

    def add(self, raw: Any) -> None:
        """Look at a message; a change that cannot be read is left out."""
        version = at = 0
        if self._by_version:
            told = peek(raw.value, _Version)
            if told is None:
                return
            version, at = told.version, raw.timestamp
        place = (version, at, raw.topic, raw.offset)
        self._found[raw.key] = max(place, self._found.get(raw.key, place))

    def offsets(self) -> dict[str, array[int]]:
        """Return the offsets of the newest messages by topic, in order."""
        found: dict[str, list[int]] = {}
        for _, _, topic, offset in self._found.values():
            found.setdefault(topic, []).append(offset)
        return {topic: array("q", sorted(offsets)) for topic, offsets in found.items()}


def described(spec: ImportSpec) -> str:
    """Return which messages a replay asked for, as the reason why it found none."""
    topic = REPLAYED_TOPIC[spec.replay] if spec.replay else ""
    words = f"{topic} and {BACKFILL} hold" if topic == CHANGES else f"{topic} holds"
    what = "no message"
    if spec.tickets:
        shown = ", ".join(f"#{number}" for number in spec.tickets[:5])
        what += f" of ticket {shown}" + (" …" if len(spec.tickets) > 5 else "")
    return f"{words} {what}" + (" of that time" if spec.since or spec.until else "")
