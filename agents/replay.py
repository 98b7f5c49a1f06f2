"""Replays: what lies on a topic of the pipeline passes through it once more, by the backfill lane.

The parts of the partitions to read are fixed at the start and kept in the import record, so that a
worker that takes the replay over goes on where the last one was. Nothing is put on the compacted
topics themselves: see agents.passing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final

import msgspec
import structlog
from aiokafka import TopicPartition

from agents.partitions import partition_of
from agents.producer import Producer, Record
from agents.spans import Span, SpanReader
from schemas.codec import SCHEMA_HEADER, SCHEMAS
from schemas.errors import RefusedError, RetryableError
from schemas.ids import ticket_key
from schemas.imports import ImportRecord, ImportSpec
from schemas.messages import EmbeddedTicket, EnrichedTicket, TicketChange
from schemas.replays import REPLAY_HEADER, REPLAYED_TOPIC, ReplayFrom, replay_headers, replay_of
from schemas.topics import BACKFILL, CHANGES
from streams.retries import retrying

_SCHEMA: Final[dict[ReplayFrom, bytes]] = {
    "changes": SCHEMAS[TicketChange].encode(),
    "enriched": SCHEMAS[EnrichedTicket].encode(),
    "embedded": SCHEMAS[EmbeddedTicket].encode(),
}
_ROUNDS: Final = 3
"""A ticket that changes while its old state waits to be replayed makes that state stale. If the change
left its text as it was, nothing would be written: so what came meanwhile is replayed too. Each round is a
fraction of the one before."""

Wait = Callable[[], Awaitable[object]]


class _Times(msgspec.Struct):
    """When a whole ticket was put on its topic first; a replay puts it there again, as it was."""

    enriched_at: float = 0.0
    embedded_at: float = 0.0


class _Version(msgspec.Struct):
    version: int


class ReplayCursor(msgspec.Struct):
    """How far a replay is: its collection, its round, and its spans by ``topic/partition``."""

    collection: str
    spans: dict[str, Span]
    round: int = 0

    @property
    def places(self) -> dict[TopicPartition, Span]:
        """The spans by topic and partition."""
        pairs = ((name.rpartition("/"), span) for name, span in self.spans.items())
        return {TopicPartition(topic, int(number)): span for (topic, _, number), span in pairs}


def named(spans: Mapping[TopicPartition, Span]) -> dict[str, Span]:
    """Return spans as a cursor keeps them."""
    return {f"{place.topic}/{place.partition}": span for place, span in spans.items()}


class Choice:
    """Which messages of a topic a replay takes."""

    def __init__(self, record: ImportRecord) -> None:
        spec = record.spec
        if not spec.replay:
            raise ValueError(f"import {record.id} is no replay")
        self._id = record.id
        self._from: ReplayFrom = spec.replay
        self._spec = spec
        self._prefix = f"{record.account}:".encode()
        self._keys = {ticket_key(record.account, number) for number in spec.tickets}

    def takes(self, raw: Any) -> bool:
        """Return whether a message is of the account, the tickets and the time, and no copy of a replay."""
        headers = dict(raw.headers or ())
        if headers.get(SCHEMA_HEADER) != _SCHEMA[self._from] or raw.value is None or raw.key is None:
            return False  # a dead letter of the stage it came to
        if not raw.key.startswith(self._prefix) or (self._keys and raw.key not in self._keys):
            return False
        replay = replay_of(raw.headers)
        # A change replayed before lies where its original is too; a whole ticket may be the only one left.
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
            try:
                times = msgspec.json.decode(raw.value, type=_Times)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                return False
            at = times.embedded_at or times.enriched_at
        return bool(at >= since and (not until or at < until))

    def record_of(self, raw: Any) -> Record:
        """Return a message as it goes to the backfill lane: its key and bytes, and this replay's header."""
        headers = [(name, value) for name, value in raw.headers if name != REPLAY_HEADER]
        return Record(BACKFILL, raw.partition, raw.key, raw.value, headers + replay_headers(self._id))


class Newest:
    """The newest change of each ticket of one partition: version first, then time."""

    def __init__(self) -> None:
        self._found: dict[bytes, tuple[int, int, str, int]] = {}

    def add(self, raw: Any) -> None:
        """Look at a change; one that cannot be read is left out."""
        try:
            version = msgspec.json.decode(raw.value, type=_Version).version
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        place = (version, raw.timestamp, raw.topic, raw.offset)
        self._found[raw.key] = max(place, self._found.get(raw.key, place))

    def is_newest(self, raw: Any) -> bool:
        """Return whether a change is the newest of its ticket."""
        found = self._found.get(raw.key)
        return found is not None and found[2:] == (raw.topic, raw.offset)


class ReplayFeed:
    """Puts what a replay takes on the backfill lane. ``collection`` is where the workers write to."""

    def __init__(
        self, producer: Producer, *, bootstrap_servers: str, partitions: int, collection: str
    ) -> None:
        self._producer = producer
        self._servers = bootstrap_servers
        self._partitions = partitions
        self._collection = collection

    async def run(self, record: ImportRecord, *, save: Wait, room: Wait, indexed: Wait) -> None:
        """Feed a replay to its end.

        ``save`` writes the record, ``room`` waits until enrich has caught up, ``indexed`` until all that
        was sent is in Weaviate. Raises RefusedError when there is nothing to replay, or when the workers
        write to another collection than at its start.
        """
        if record.cursor:
            cursor = msgspec.json.decode(record.cursor, type=ReplayCursor)
        else:
            cursor = await retrying(partial(self._begin, record.spec, record.account), on_retry=waits)
            await self._save(record, cursor, save)
        if record.spec.replay == "enriched" and cursor.collection != self._collection:
            raise RefusedError(
                f"this replay fills {cursor.collection}, but the workers now write to {self._collection}: "
                "start them with the embedding settings they had, or start another replay"
            )
        while True:
            before = record.fetched
            await retrying(partial(self._round, record, cursor, save, room), on_retry=waits)
            sent = record.fetched - before
            if record.spec.replay == "changes" or record.spec.until or cursor.round + 1 >= _ROUNDS:
                break
            if cursor.round and not sent:
                break
            await indexed()
            await retrying(partial(self._go_on, cursor), on_retry=waits)
            await self._save(record, cursor, save)
        if not record.fetched:
            raise RefusedError(f"nothing to replay: {described(record.spec)}")
        record.source_ended = True
        await save()

    async def _begin(self, spec: ImportSpec, account: str) -> ReplayCursor:
        if not spec.replay:
            raise ValueError("no topic to replay")
        topics = [REPLAYED_TOPIC[spec.replay]] + ([BACKFILL] if spec.replay == "changes" else [])
        numbers: set[int] = set(range(self._partitions))
        if spec.tickets:
            numbers = {partition_of(ticket_key(account, each), self._partitions) for each in spec.tickets}
        async with SpanReader(self._servers) as reader:
            spans = await reader.spans(topics, sorted(numbers), spec.since)
        return ReplayCursor(self._collection, named(spans))

    async def _go_on(self, cursor: ReplayCursor) -> None:
        places = cursor.places
        async with SpanReader(self._servers) as reader:
            now = await reader.spans({place.topic for place in places}, {place.partition for place in places})
        for place, span in places.items():
            span.start = span.next = span.end
            span.end = max(span.end, now[place].end)
        cursor.round += 1

    async def _round(self, record: ImportRecord, cursor: ReplayCursor, save: Wait, room: Wait) -> None:
        choice = Choice(record)
        async with SpanReader(self._servers) as reader:
            if record.spec.replay != "changes":
                await self._send(record, cursor, reader, cursor.places, choice, None, save, room)
                return
            # A change lies on the live topic or on the backfill lane, so both are read partition by
            # partition: once to find the newest of each ticket, once to send those.
            places = cursor.places
            for partition in sorted({place.partition for place in places}):
                own = {place: span for place, span in places.items() if place.partition == partition}
                newest = Newest()
                again = {place: Span(span.start, span.start, span.end) for place, span in own.items()}
                if all(span.next >= span.end for span in own.values()):
                    continue
                async for batch in reader.read(again):
                    for raw in filter(choice.takes, batch.records):
                        newest.add(raw)
                await self._send(record, cursor, reader, own, choice, newest, save, room)

    async def _send(
        self,
        record: ImportRecord,
        cursor: ReplayCursor,
        reader: SpanReader,
        spans: Mapping[TopicPartition, Span],
        choice: Choice,
        newest: Newest | None,
        save: Wait,
        room: Wait,
    ) -> None:
        async for batch in reader.read(spans):
            wanted = [
                choice.record_of(raw)
                for raw in batch.records
                if choice.takes(raw) and (newest is None or newest.is_newest(raw))
            ]
            if wanted:
                await room()
                await retrying(partial(self._producer.send, wanted), on_retry=waits)
                record.fetched += len(wanted)
            for place, position in batch.positions.items():
                spans[place].next = position
            if batch.records:
                await self._save(record, cursor, save)

    async def _save(self, record: ImportRecord, cursor: ReplayCursor, save: Wait) -> None:
        record.cursor = msgspec.json.encode(cursor).decode()
        await save()


def waits(error: RetryableError, _: int, wait: float) -> None:
    """Log what a replay waits for."""
    structlog.get_logger().warning("a replay waits", error=str(error), wait_seconds=round(wait, 1))


def described(spec: ImportSpec) -> str:
    """Return which messages a replay asked for, as the reason why it found none."""
    topic = REPLAYED_TOPIC[spec.replay] if spec.replay else ""
    words = f"{topic} and {BACKFILL} hold" if topic == CHANGES else f"{topic} holds"
    what = "no message"
    if spec.tickets:
        shown = ", ".join(f"#{number}" for number in spec.tickets[:5])
        what += f" of ticket {shown}" + (" …" if len(spec.tickets) > 5 else "")
    return f"{words} {what}" + (" of that time" if spec.since or spec.until else "")
