"""What is more than moved: import records, what embedding has spent today, and how far Weaviate is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from aiokafka import TopicPartition

from agents.replays.cursor import ReplayCursor, named
from schemas.codec import decode_value, encode
from schemas.errors import PermanentError
from schemas.headers.moves import moved_headers
from schemas.messages.imports import ImportRecord
from schemas.stages import BETWEEN
from schemas.tables import SPENDING_KEY, EmbeddingSpent, ResumePoint
from schemas.topics import EMBEDDED
from streams.kafka.messages import Record
from streams.kafka.offset_ranges import OffsetRange
from streams.kafka.partitions import account_partition
from ticketstream.operations.scale.homes import (
    IMPORTS,
    RESUME_POINTS,
    SPENDING,
    Change,
    account_of,
)

REPLAYED: Final = BETWEEN
"""Topics of which a replay keeps offsets, and on which tickets have moved."""


class Newest:
    """The newest value of each key of a small table, by partition; to be told of messages in order."""

    def __init__(self) -> None:
        self.entries: dict[tuple[int, bytes], bytes] = {}

    def add(self, raw: Any) -> None:
        """Take in a message of the table's changelog."""
        if raw.value is None:
            self.entries.pop((raw.partition, raw.key), None)
        else:
            self.entries[raw.partition, raw.key] = raw.value


def import_records(
    entries: Mapping[tuple[int, bytes], bytes], change: Change, ends: Mapping[TopicPartition, int]
) -> tuple[list[Record], list[Record]]:
    """Return the records that put imports in their accounts' partitions, and those that empty the old places.

    The second may be sent once the first are acknowledged. ``ends`` are those of the topics tickets have
    moved on: an unfinished replay of one reads up to there. Done again, nothing is left to do.
    """
    copies, stands = [], []
    for (partition, key), value in entries.items():
        account = account_of(value)
        if account is None:
            continue
        adapted = with_ends(value, ends)
        home = account_partition(account, change.after)
        # What somebody has put elsewhere stays there.
        if account_partition(account, change.before) != partition:
            home = partition
        if home != partition or adapted != value:
            copies.append(Record(IMPORTS, home, key, adapted))
        if home != partition:
            stands.append(Record(IMPORTS, partition, key, None, moved_headers(home)))
    return copies, stands


def with_ends(value: bytes, ends: Mapping[TopicPartition, int]) -> bytes:
    """Return an import's record whose replay, if it is an unfinished one, reads up to these ends.

    What it has not read yet of a partition may have moved to another; what it then reads twice changes
    nothing.
    """
    try:
        record = decode_value(ImportRecord, value)
        if (
            not record.spec.replay
            or record.spec.replay == "changes"
            or record.source_ended
            or not record.cursor
        ):
            return value
        cursor = msgspec.json.decode(record.cursor, type=ReplayCursor)
    except (PermanentError, msgspec.DecodeError):
        return value
    spans = cursor.places
    topics = {place.topic for place in spans}
    for place, end in ends.items():
        if place.topic in topics:
            span = spans.setdefault(place, OffsetRange(0, 0, 0))
            span.end = max(span.end, end)
    cursor.spans = named(spans)
    record.cursor = msgspec.json.encode(cursor).decode()
    return encode(record)


def total_spent(entries: Iterable[bytes]) -> EmbeddingSpent | None:
    """Return what all partitions have spent on the newest day; None when nothing was ever spent."""
    spent = [msgspec.json.decode(value, type=EmbeddingSpent) for value in entries]
    if not spent:
        return None
    day = max(each.day for each in spent)
    newest = [each for each in spent if each.day == day]
    return EmbeddingSpent(
        day=day,
        requests=sum(each.requests for each in newest),
        tokens=sum(each.tokens for each in newest),
    )


def spending_records(total: EmbeddingSpent, partitions: int) -> list[Record]:
    """Return the records that put an equal part of what was spent down to every partition.

    The caps are shared out equally too, so that all together spend no more than before.
    """
    part = EmbeddingSpent(
        day=total.day, requests=total.requests / partitions, tokens=total.tokens / partitions
    )
    return [Record(SPENDING, number, SPENDING_KEY, encode(part)) for number in range(partitions)]


def resume_records(ends: Mapping[TopicPartition, int], now: float) -> list[Record]:
    """Return the records that say that all before these offsets is in Weaviate, since ``now`` (Unix seconds).

    Nothing was in flight, and what has moved since was there before: of a new partition too Weaviate has all.
    """
    return [
        Record(RESUME_POINTS, place.partition, place.topic.encode(), encode(ResumePoint(end - 1, now)))
        for place, end in ends.items()
        if place.topic == EMBEDDED and end > 0
    ]
