"""Replays: what lies on a topic of the pipeline passes through it once more, by the backfill lane.

The parts of the partitions to read are fixed at the start and kept in the import record, so that a
worker that takes the replay over goes on where the last one was. Nothing is put on the compacted
topics themselves: see agents.tickets.enrich.pass_through.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

import msgspec
import structlog
from aiokafka import TopicPartition

from agents.replays.choice import Choice, Newest, described
from agents.replays.cursor import ReplayCursor, named
from schemas.cluster import Cluster
from schemas.errors import RefusedError, RetryableError
from schemas.headers.replays import REPLAYED_TOPIC
from schemas.ids import ticket_key
from schemas.messages.imports import ImportRecord, ImportSpec
from schemas.topics import BACKFILL
from streams.kafka.chosen_offsets import Chosen
from streams.kafka.offset_ranges import OffsetRange, RangeReader
from streams.kafka.partitions import partition_of
from streams.kafka.producer import Producer
from streams.retries import retrying

_ROUNDS: Final = 3
"""A ticket that changes while its old state waits to be replayed makes that state stale. If the change
left its text as it was, nothing would be written: so what came meanwhile is replayed too. Each round is a
fraction of the one before."""

Wait = Callable[[], Awaitable[object]]


class ReplayFeed:
    """Puts what a replay takes on the backfill lane. ``collection`` is where the workers write to."""

    def __init__(self, producer: Producer, *, cluster: Cluster, collection: str) -> None:
        self._producer = producer
        self._cluster = cluster
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
        numbers: set[int] = set(range(self._cluster.partitions))
        if spec.tickets and spec.replay != "changes":  # changes do not move when partitions are added
            keys = [ticket_key(account, each) for each in spec.tickets]
            numbers = {partition_of(key, self._cluster.partitions) for key in keys}
        async with RangeReader(self._cluster) as reader:
            spans = await reader.spans(topics, sorted(numbers), spec.since)
        return ReplayCursor(self._collection, named(spans))

    async def _go_on(self, cursor: ReplayCursor) -> None:
        places = cursor.places
        async with RangeReader(self._cluster) as reader:
            now = await reader.spans({place.topic for place in places}, {place.partition for place in places})
        for place, span in places.items():
            span.start = span.next = span.end
            span.end = max(span.end, now[place].end)
        cursor.round += 1

    async def _round(self, record: ImportRecord, cursor: ReplayCursor, save: Wait, room: Wait) -> None:
        spans = cursor.places
        choice = Choice(record, self._cluster.partitions)
        async with RangeReader(self._cluster) as reader:
            chosen = await self._choose(record, reader, spans, choice)
            record.total = record.fetched + chosen.left(spans)
            async for batch in reader.read(spans):
                wanted = [choice.record_of(raw) for raw in batch.records if raw in chosen]
                if wanted:
                    await room()
                    await retrying(partial(self._producer.send, wanted), on_retry=waits)
                    record.fetched += len(wanted)
                for place, position in batch.positions.items():
                    spans[place].next = position
                if batch.records:
                    await self._save(record, cursor, save)

    async def _choose(
        self,
        record: ImportRecord,
        reader: RangeReader,
        spans: Mapping[TopicPartition, OffsetRange],
        choice: Choice,
    ) -> Chosen:
        """Look through the spans from their start, partition by partition: a ticket lies in one of them.

        The exception are changes from before partitions were added: they can lie in another partition than
        later ones of their ticket, so that both are chosen. enrich skips the older version as stale.
        """
        chosen = Chosen()
        for partition in sorted({place.partition for place in spans}):
            newest = Newest(record.spec.replay)
            own = {
                place: OffsetRange(span.start, span.start, span.end)
                for place, span in spans.items()
                if place.partition == partition
            }
            async for batch in reader.read(own):
                for raw in filter(choice.takes, batch.records):
                    newest.add(raw)
            chosen.add(partition, newest.offsets())
        return chosen

    async def _save(self, record: ImportRecord, cursor: ReplayCursor, save: Wait) -> None:
        record.cursor = msgspec.json.encode(cursor).decode()
        await save()


def waits(error: RetryableError, _: int, wait: float) -> None:
    """Log what a replay waits for."""
    structlog.get_logger().warning("a replay waits", error=error, wait_seconds=round(wait, 1))
