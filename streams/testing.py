"""Stand-ins for tests: time, Kafka, the sink and the embedding provider, in memory.

Each keeps the promises of the part it stands for, except what its docstring says: one suite of tests runs
over stand-in and real part (tests/behaviour). No product code may import this module.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

from schemas.codec import SCHEMAS, decode
from schemas.errors import PermanentError, UnavailableError
from schemas.ids import digest
from schemas.parts import Parts
from streams.kafka.messages import Record
from streams.kafka.part_reader import PartsMissingError
from streams.kafka.topics import DEAD_LETTER_MAX_BYTES
from streams.retries import RetryPolicy
from streams.sinks.base import ObjectWrite, SinkItem, SinkResult
from streams.sinks.weaviate.objects import batch_objects, object_id

T = TypeVar("T")

AT_ONCE: Final = RetryPolicy(factor=0)
"""Tries again without a pause."""


async def settle(turns: int = 30) -> None:
    """Let everything run that need not wait, for so many turns of the event loop."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def until(condition: Callable[[], Any], seconds: float = 5.0) -> None:
    """Wait until a condition holds; raises TimeoutError when it takes longer than so many seconds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.001)


class VirtualClock:
    """Time that passes only when everybody sleeps; unlike the real one it never passes by itself.

    Pass ``clock`` (seconds, like ``time.time`` or ``time.monotonic``) and ``sleep`` to what is tested, and
    drive it with ``run``.
    """

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = itertools.count()

    def clock(self) -> float:
        """Return the time in seconds."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Wait until ``run`` has let so many seconds pass."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + max(seconds, 0.0), next(self._count), future))
        await future

    async def settle(self) -> None:
        """Let everything run that need not wait."""
        for _ in range(12):
            await asyncio.sleep(0)

    async def run(self, awaitable: Awaitable[T], until: float | None = None) -> T | None:
        """Let time pass until the awaitable is done, and return its result.

        At the time ``until`` it is cancelled, and None returned. Raises AssertionError when it waits and
        nobody sleeps: no time that passes would end that.
        """
        task = asyncio.ensure_future(awaitable)
        while True:
            await self.settle()
            if task.done():
                return task.result()
            while self._sleepers and self._sleepers[0][2].done():
                heapq.heappop(self._sleepers)
            if not self._sleepers:
                task.cancel()
                raise AssertionError("everybody waits, and nobody sleeps")
            when, _, future = self._sleepers[0]
            if until is not None and when > until:
                self.now = until
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                return None
            heapq.heappop(self._sleepers)
            self.now = max(self.now, when)
            future.set_result(None)


class InMemoryProducer:
    """Keeps what is sent, in order, and numbers it as a broker would whose topics were empty.

    Unlike the real one it is always started, a call that fails has sent nothing, and all topics take messages
    as large as dead letters. The next ``failures`` calls raise UnavailableError; while ``gate`` is cleared,
    calls wait. ``log`` is told of each call, in the order in which it and others are.
    """

    def __init__(self, log: list[Any] | None = None) -> None:
        self.sent: list[Record] = []
        self.heads: dict[tuple[str, int], int] = {}
        self.failures = 0
        self.calls = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self._log = log

    async def send(self, records: Iterable[Record]) -> dict[tuple[str, int], int]:
        """Keep all; return the last offset written for each topic and partition.

        Raises UnavailableError while ``failures`` says so.
        """
        records = list(records)
        self.calls += 1
        await self.gate.wait()
        if self.failures:
            self.failures -= 1
            raise UnavailableError("Kafka is away")
        if any(len(record.value or b"") > DEAD_LETTER_MAX_BYTES for record in records):
            raise UnavailableError("Kafka did not take a message: it is too large")
        last: dict[tuple[str, int], int] = {}
        for record in records:
            place = (record.topic, record.partition)
            self.sent.append(record)
            last[place] = self.heads.get(place, 0)
            self.heads[place] = last[place] + 1
        if self._log is not None and records:
            self._log.append(("sent", [record.value for record in records]))
        return last

    def on(self, topic: str) -> list[Record]:
        """Return what was sent to a topic."""
        return [record for record in self.sent if record.topic == topic]

    def messages(self, kind: type[Any]) -> list[Any]:
        """Return the sent messages of a type, decoded."""
        name = SCHEMAS[kind].encode()
        return [
            decode(kind, record.value, record.headers)
            for record in self.sent
            if dict(record.headers).get("schema") == name
        ]


class InMemoryParts:
    """Reads parts back from what an InMemoryProducer was given, as PartReader does from their topic.

    It finds a part by the digest of its value, wherever it lies; those in ``lost`` are not there any more.
    """

    def __init__(self, producer: InMemoryProducer) -> None:
        self._producer = producer
        self.lost: set[str] = set()

    async def read(
        self, topic: str, partition: int, key: bytes, parts: Parts, start: int = 0
    ) -> AsyncGenerator[bytes, None]:
        """Yield the values of a ticket's parts from number ``start`` on; raises PartsMissingError."""
        values = {digest(one.value or b""): one.value for one in self._producer.on(topic)}
        for ref in parts.refs[start:]:
            value = None if ref.digest in self.lost else values.get(ref.digest)
            if value is None:
                raise PartsMissingError("lost")
            yield value


class StoredObject(NamedTuple):
    """A chunk that an InMemorySink holds, and whose it is."""

    account: str
    ticket_id: int
    chunk: ObjectWrite


class InMemorySink:
    """Holds chunks of ``dimensions`` float32 numbers by their ids; refuses tickets by WeaviateSink's rules.

    Unlike Weaviate it takes dates of any form, and is never away by itself: each call to ``write`` raises the
    first of ``errors``, as long as there are any. ``batches`` are those it was given, refused ones too.
    """

    def __init__(self, dimensions: int) -> None:
        self.objects: dict[UUID, StoredObject] = {}
        self.batches: list[list[SinkItem]] = []
        self.errors: list[Exception] = []
        self._dimensions = dimensions

    async def setup(self) -> bool:
        """Return that readers read what this sink writes."""
        return True

    async def close(self) -> None:
        """Nothing has to be let go."""

    async def write(self, batch: Sequence[SinkItem]) -> list[SinkResult]:
        """Write a batch of different tickets; return one result each, in their order.

        Raises what ``errors`` says, and ValueError when a ticket is twice in the batch.
        """
        self.batches.append(list(batch))
        if len({(item.account, item.ticket_id) for item in batch}) < len(batch):
            raise ValueError("a ticket is twice in a batch")
        if self.errors:
            raise self.errors.pop(0)
        return [self._written(item) for item in batch]

    def _written(self, item: SinkItem) -> SinkResult:
        try:
            batch_objects("Tickets", self._dimensions, item)
        except PermanentError as error:
            return SinkResult(error=error)
        own = {} if item.removed else {object_id(item, chunk): chunk for chunk in item.upserts}
        gone = self._stale(item) - own.keys()
        for identity in gone:
            del self.objects[identity]
        for identity, chunk in own.items():
            self.objects[identity] = StoredObject(item.account, item.ticket_id, chunk)
        written = 0 if item.removed else len(item.upserts)
        return SinkResult(vectors_written=written, objects_deleted=len(gone))

    def _stale(self, item: SinkItem) -> set[UUID]:
        """Return the ids of what is held of a ticket and may go, unless it is written again."""
        if item.stale_ids is not None and not item.removed:
            return self.objects.keys() & set(item.stale_ids)
        held = {
            identity: one.chunk
            for identity, one in self.objects.items()
            if (one.account, one.ticket_id) == (item.account, item.ticket_id)
        }
        if item.counts is None or item.removed:
            return set(held)
        counts = item.counts
        return {
            identity for identity, one in held.items() if one.chunk_index >= counts.get(one.visibility, 0)
        }
