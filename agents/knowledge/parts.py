"""A large ticket's parts: sent before the closing message that names them, deleted after a newer one.

Each time a ticket is sent in parts they form a set of their own, so the parts of the state before stay
complete until the new closing message is on its topic; only then they are deleted, by tombstones.
Every set is noted in the table ``parts`` before any part of it is sent, so that what a crash has left is
deleted too. Nothing else is read from the table, so that losing a race costs room on a topic and no more.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, Final, Protocol

from msgspec.structs import replace

from agents.app.part import Part
from agents.app.tables import StateTable, Tables
from agents.engine.outcomes import Mark, Outcome
from schemas.codec import encode, headers_of, schema_header
from schemas.ids import digest
from schemas.messages.tickets import EmbeddedPart, EnrichedPart
from schemas.parts import PartRef, Parts
from schemas.stages import BETWEEN
from schemas.tables import PartSet, part_message_key, set_key, sets_prefix
from schemas.topics import BACKFILL, EMBEDDED, ENRICHED
from streams.kafka.messages import Record
from streams.retries import retrying

TABLE: Final = "parts"
_AT_ONCE: Final = 4
"""Large tickets that a stage works on at once: each takes some megabytes of a worker's memory."""
_NOTED_AHEAD: Final = 32
"""By so many parts the noted number grows at once: the table is not written for each."""


class Sends(Protocol):
    """What is asked of the producer."""

    async def send(self, records: Sequence[Record]) -> dict[tuple[str, int], int]:
        """Send all; return the last offset written for each topic and partition."""


class ReadsParts(Protocol):
    """What reads parts back from their topic (see streams.kafka.part_reader)."""

    def read(
        self, topic: str, partition: int, key: bytes, parts: Parts, start: int = 0
    ) -> AsyncGenerator[bytes, None]:
        """Yield the values of a ticket's parts from number ``start`` on; raises PartsMissingError."""


class PartStore(Part):
    """The parts of all topics, for a worker's stages."""

    def __init__(self, tables: Tables, producer: Sends, reader: ReadsParts) -> None:
        self._table = tables[TABLE]
        self._producer = producer
        self._reader = reader
        self._turns = {topic: asyncio.Semaphore(_AT_ONCE) for topic in (BACKFILL, *BETWEEN)}
        self.sets = {
            ENRICHED: PartSets(ENRICHED, EnrichedPart, self._table, producer),
            EMBEDDED: PartSets(EMBEDDED, EmbeddedPart, self._table, producer),
        }

    def turn(self, topic: str) -> asyncio.Semaphore:
        """Return the semaphore to hold while working on a large ticket of a topic: few may be at once."""
        return self._turns[topic]

    async def let_go(self) -> None:
        """Note that nobody works on any set any more."""
        for sets in self.sets.values():
            sets.revoked()

    def is_noted(self, topic: str, partition: int, key: bytes, parts: Parts) -> bool:
        """Say whether a ticket's set of parts is in the table still: a newer state deletes it."""
        return self._table.get(partition, set_key(key, topic, parts.set)) is not None

    async def read(
        self, topic: str, partition: int, key: bytes, parts: Parts, start: int = 0
    ) -> AsyncGenerator[bytes, None]:
        """Yield the values of a ticket's parts from number ``start`` on; raises PartsMissingError."""
        async with aclosing(self._reader.read(topic, partition, key, parts, start)) as values:
            async for value in values:
                yield value


class PartSets:
    """The sets of parts of one type, ``kind``, on one topic, in a worker's partitions."""

    def __init__(self, topic: str, kind: type[Any], table: StateTable[PartSet], producer: Sends) -> None:
        self.topic = topic
        self._kind = kind
        self._table = table
        self._producer = producer
        self._open: set[str] = set()

    def begin(self, partition: int, key: bytes, entry: PartSet | None = None, name: str = "") -> PartWriter:
        """Return what sends a ticket's parts; ``entry`` and ``name`` are those of a set that goes on."""
        writer = PartWriter(self, partition, key, entry, name or uuid.uuid4().hex[:16])
        self._open.add(writer.name)
        return writer

    def close(self, name: str) -> None:
        """Note that nobody works on a set any more, or waits for its release."""
        self._open.discard(name)

    def is_open(self, name: str) -> bool:
        """Say whether somebody works on a set, or waits for its release."""
        return name in self._open

    def revoked(self) -> None:
        """Note that nobody works on any."""
        self._open.clear()

    def find(self, partition: int, key: bytes) -> dict[str, PartSet]:
        """Return the sets that may lie on the topic, by name."""
        prefix = sets_prefix(key, self.topic)
        return {
            found.removeprefix(prefix).decode(): entry
            for found, entry in self._table.starting_with(partition, prefix)
        }

    def settle(self, done: Outcome, partition: int, key: bytes, writer: PartWriter | None) -> Outcome:
        """Have the ticket's other sets deleted when ``done`` is sent; ``writer``'s set if it is stale."""
        done.at_last = partial(self._released, partition, key, "" if writer is None else writer.name)
        if writer is not None:
            done.if_stale = [*done.if_stale, *writer.gone()]
            wanted = done.is_current

            def is_current() -> bool:
                if wanted is None or wanted():
                    return True
                self.close(writer.name)
                return False

            done.is_current = is_current
        return done

    def _released(self, partition: int, key: bytes, name: str) -> tuple[list[Record], list[Mark]]:
        self._open.discard(name)
        records: list[Record] = []
        marks: list[Mark] = []
        for other, entry in self.find(partition, key).items():
            if other == name or other in self._open:
                continue
            records += self.gone(partition, key, other, entry.count)
            marks.append(Mark(TABLE, set_key(key, self.topic, other), None))
        return records, marks

    def gone(self, partition: int, key: bytes, name: str, count: int) -> list[Record]:
        """Return the records that delete a set's parts from the topic."""
        headers = [schema_header(self._kind)]
        return [
            Record(self.topic, partition, part_message_key(key, name, number), None, headers)
            for number in range(count)
        ]

    async def undo(self, writer: PartWriter) -> None:
        """Delete what has been sent of a set whose closing message will never come."""
        self.close(writer.name)
        if not writer.entry.count:
            return
        await self.send(writer.gone())
        await self.note(writer.partition, writer.key, writer.name, None)

    async def send(self, records: Sequence[Record]) -> dict[tuple[str, int], int]:
        """Send records, however long Kafka is away."""
        return await retrying(lambda: self._producer.send(records))

    async def note(self, partition: int, key: bytes, name: str, entry: PartSet | None) -> None:
        """Write the entry of a set."""
        place = set_key(key, self.topic, name)
        await retrying(lambda: self._table.put(partition, [(place, entry)]))


class PartWriter:
    """Sends the parts of one set, one after another."""

    def __init__(self, sets: PartSets, partition: int, key: bytes, entry: PartSet | None, name: str) -> None:
        self.partition = partition
        self.key = key
        self.name = name
        self.entry = PartSet(0) if entry is None else entry
        """As it was written to the table last."""
        self.refs = list(self.entry.refs)
        self._sets = sets

    @property
    def parts(self) -> Parts:
        """The parts that have been sent, as the closing message names them."""
        return Parts(self.name, self.partition, list(self.refs))

    async def add(self, part: Any) -> None:
        """Send a part; returns when Kafka has it."""
        number = len(self.refs)
        if number >= self.entry.count:
            await self.save(replace(self.entry, count=number + _NOTED_AHEAD))
        value = encode(part)
        key = part_message_key(self.key, self.name, number)
        record = Record(self._sets.topic, self.partition, key, value, headers_of(part))
        offsets = await self._sets.send([record])
        self.refs.append(PartRef(offsets[self._sets.topic, self.partition], digest(value)))

    async def save(self, entry: PartSet) -> None:
        """Write the set's entry to the table."""
        await self._sets.note(self.partition, self.key, self.name, entry)
        self.entry = entry

    def gone(self) -> list[Record]:
        """Return the records that delete what has been sent."""
        return self._sets.gone(self.partition, self.key, self.name, max(self.entry.count, len(self.refs)))
