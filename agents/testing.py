"""Stand-ins for tests of stages: events, tables, the index and the embedding provider, in memory.

They keep the promises of the parts they stand for, except what their docstrings say (see streams.testing). No
product code may import this module.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from agents.app.faust_app import TicketApp, create_app
from agents.app.part import Plan
from agents.app.tables import StateTable, Tables
from agents.engine.outcomes import Outcome
from agents.knowledge.parts import PartStore
from schemas.codec import encode, headers_of
from schemas.errors import PermanentError, UnavailableError
from schemas.lanes import Lane
from schemas.messages.tickets import EmbeddedTicket, EnrichedTicket, TicketChange
from schemas.settings.kafka import KafkaSettings
from schemas.settings.load import Settings
from schemas.tables import TABLES
from schemas.topics import BACKFILL, CHANGES, EMBEDDED, ENRICHED
from schemas.vectors import Vector
from streams.kafka.messages import Incoming
from streams.sinks.base import SinkItem, SinkResult
from streams.testing import InMemoryParts, InMemoryProducer, InMemorySink

T = TypeVar("T", bound=msgspec.Struct)


def an_app(folder: Path, partitions: int = 8) -> TicketApp:
    """Return the app of a worker that does nothing, with its data in a folder; it has not started."""
    kafka = KafkaSettings(bootstrap_servers="nowhere:9092", partitions=partitions)
    return create_app(Settings(kafka=kafka), folder, None, lambda _: Plan((), (), lambda: 0.0))


class InMemoryEvent:
    """A Faust event: a raw message, and how often it was acknowledged.

    Unlike Faust's it acknowledges to nobody; ``log`` is told of it, in the order in which it and others are.
    """

    def __init__(
        self,
        offset: int = 0,
        *,
        key: bytes | None = b"acme:1",
        value: bytes | None = b"{}",
        headers: Any = (),
        topic: str = CHANGES,
        partition: int = 0,
        generation: int = 1,
        log: list[Any] | None = None,
    ) -> None:
        self.message = SimpleNamespace(
            topic=topic,
            partition=partition,
            offset=offset,
            key=key,
            value=value,
            headers=headers,
            generation_id=generation,
        )
        self.acked = 0
        self._log = log

    def ack(self) -> None:
        """Acknowledge the message."""
        self.acked += 1
        if self._log is not None:
            self._log.append(("ack", self.message.offset))


class InMemoryTable(StateTable[T]):
    """A table without Faust, RocksDB and changelog; entries are copied through JSON, as the real one's are.

    Unlike the real one it survives no process, knows no rebalance and has no size. The next ``failures`` puts
    raise UnavailableError; while ``gate`` is cleared, puts wait. ``puts`` counts them; ``log`` is told of
    each, in the order in which it and others are.
    """

    def __init__(self, name: str, kind: type[T], log: list[Any] | None = None) -> None:
        self.name = name
        self.entries: dict[tuple[int, bytes], bytes] = {}
        self.puts = 0
        self.failures = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self._kind = kind
        self._log = log

    def get(self, partition: int, key: bytes) -> T | None:
        """Return the entry, or None when there is none."""
        raw = self.entries.get((partition, key))
        return None if raw is None else msgspec.json.decode(raw, type=self._kind)

    def items(self, partition: int) -> list[tuple[bytes, T]]:
        """Return all entries of a partition, ordered by key."""
        return list(self._each(partition))

    def find(self, partition: int, wanted: Callable[[bytes, T], bool], at_most: int) -> list[bytes]:
        """Return the keys of up to so many entries of a partition that are wanted."""
        found = (key for key, entry in self._each(partition) if wanted(key, entry))
        return list(itertools.islice(found, at_most))

    def starting_with(self, partition: int, prefix: bytes) -> list[tuple[bytes, T]]:
        """Return the entries of a partition whose keys begin like this, ordered by key."""
        return [pair for pair in self._each(partition) if pair[0].startswith(prefix)]

    def _each(self, partition: int) -> Iterator[tuple[bytes, T]]:
        for place, key in sorted(self.entries):
            if place == partition:
                yield key, msgspec.json.decode(self.entries[place, key], type=self._kind)

    def size(self, partition: int) -> tuple[int, int]:
        """Return how many entries a partition has, and the bytes of their values."""
        values = [raw for (place, _), raw in self.entries.items() if place == partition]
        return len(values), sum(map(len, values))

    async def put(self, partition: int, entries: Iterable[tuple[bytes, T | None]]) -> None:
        """Write entries (None deletes). Raises UnavailableError while ``failures`` says so."""
        newest = {key: None if entry is None else encode(entry) for key, entry in entries}
        if not newest:
            return
        self.puts += 1
        await self.gate.wait()
        if self.failures:
            self.failures -= 1
            raise UnavailableError("Kafka is away")
        for key, raw in newest.items():
            if raw is None:
                self.entries.pop((partition, key), None)
            else:
                self.entries[partition, key] = raw
        if self._log is not None:
            self._log.append(("table", self.name, list(newest)))


class InMemoryTables(Tables):
    """All tables of a worker, in memory."""

    def __init__(self, log: list[Any] | None = None) -> None:
        self._in_memory = {name: InMemoryTable[Any](name, kind, log) for name, kind in TABLES.items()}

    def __getitem__(self, name: str) -> InMemoryTable[Any]:
        return self._in_memory[name]


class InMemoryIndex:
    """The collections of a vector store, and what stages ask of it: writes one by one, and stored vectors.

    It stands for BatchedWriter and StoredVectors. Unlike the first it writes at once and tries nothing again;
    unlike the second it answers whatever was asked for. ``calls`` are the collections, dimensions and lanes
    of the writes, ``items`` the tickets; ``error`` refuses the tickets of all writes as long as it is set.
    """

    def __init__(self) -> None:
        self.sinks: dict[str, InMemorySink] = {}
        self.items: list[SinkItem] = []
        self.calls: list[tuple[str, int, str]] = []
        self.asked: list[tuple[str, list[UUID]]] = []
        self.error: PermanentError | None = None

    async def write(self, collection: str, dimensions: int, item: SinkItem, lane: Lane) -> SinkResult:
        """Write one ticket."""
        self.items.append(item)
        self.calls.append((collection, dimensions, lane))
        if self.error is not None:
            return SinkResult(error=self.error)
        (result,) = await self.sink(collection, dimensions).write([item])
        return result

    def sink(self, collection: str, dimensions: int) -> InMemorySink:
        """Return the sink of a collection, which is there from then on."""
        return self.sinks.setdefault(collection, InMemorySink(dimensions))

    async def stored_vectors(
        self, collection: str, account: str, ids: Sequence[UUID]
    ) -> dict[UUID, tuple[str, Vector]]:
        """Return content hash and vector of those chunks of an account that a collection holds, by id."""
        self.asked.append((collection, list(ids)))
        held = self.sinks[collection].objects if collection in self.sinks else {}
        return {
            one: (held[one].chunk.content_hash, held[one].chunk.vector)
            for one in ids
            if one in held and held[one].account == account
        }


def a_part_store(tables: Tables, producer: InMemoryProducer | None = None) -> PartStore:
    """Return a store of parts that finds again what it has sent through the producer."""
    producer = producer or InMemoryProducer()
    return PartStore(tables, producer, InMemoryParts(producer))


_TOPICS: dict[type[Any], str] = {
    TicketChange: CHANGES,
    EnrichedTicket: ENRICHED,
    EmbeddedTicket: EMBEDDED,
}


def a_message(message: Any, offset: int = 7, *, topic: str | None = None, partition: int = 0) -> Incoming:
    """Return a message of the pipeline as it lies on its topic."""
    if topic is None:
        topic = BACKFILL if getattr(message, "source", "") == "import" else _TOPICS[type(message)]
        if not isinstance(message, TicketChange):
            topic = _TOPICS[type(message)]
    key = f"{message.account}:{message.ticket_id}".encode()
    return Incoming(topic, partition, offset, key, encode(message), headers_of(message))


async def settled(
    message: Incoming, done: Outcome, tables: InMemoryTables, producer: InMemoryProducer | None = None
) -> Outcome:
    """Do with an outcome what an engine does with it: send its records, then write its entries.

    Returns what became of it: another outcome, where the message has become stale. Unlike an engine it sends
    nothing without ``producer``, and acknowledges nothing.
    """
    if done.is_current is not None and not done.is_current():
        done = Outcome("skipped", reason="stale", records=done.if_stale)
    if done.at_last is not None:
        records, marks = done.at_last()
        done.records += records
        done.marks += marks
    if producer is not None:
        await producer.send(done.records)
    for mark in done.marks:
        await tables[mark.table].put(message.partition, [(mark.key, mark.entry)])
    return done
