"""The doubles of the product keep the promises of what they stand for: the suite of tests/behaviour."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from agents.testing import InMemoryTable
from schemas.errors import UnavailableError
from schemas.tables import SeenTicket
from schemas.vectors import Vector
from streams.kafka.messages import Record
from streams.testing import InMemoryParts, InMemoryProducer, InMemorySink
from tests.behaviour.parts import TOPIC, PartsBehaviour
from tests.behaviour.producer import ProducerBehaviour
from tests.behaviour.sink import SIZE, Held, SinkBehaviour, SinkBench
from tests.behaviour.table import TableBehaviour


class TestInMemoryTable(TableBehaviour):
    @pytest.fixture
    def table(self) -> InMemoryTable[SeenTicket]:
        self.made = InMemoryTable("seen", SeenTicket)
        return self.made

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        self.made.failures = 1_000
        yield
        self.made.failures = 0


class TestInMemoryProducer(ProducerBehaviour):
    @pytest.fixture
    def producer(self) -> InMemoryProducer:
        self.made = InMemoryProducer()
        return self.made

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        self.made.failures = 1_000
        yield
        self.made.failures = 0

    async def lying_on(self, topic: str, partition: int) -> list[Record]:
        return [
            record._replace(headers=list(record.headers))
            for record in self.made.on(topic)
            if record.partition == partition
        ]


class TestInMemoryParts(PartsBehaviour):
    @pytest.fixture
    def reader(self) -> InMemoryParts:
        self.producer = InMemoryProducer()
        return InMemoryParts(self.producer)

    async def sent(self, record: Record) -> int:
        return (await self.producer.send([record]))[TOPIC, record.partition]


class InMemoryBench(SinkBench):
    def __init__(self) -> None:
        self.sink: InMemorySink = InMemorySink(SIZE)
        self.account = "acme"

    async def held(self, account: str | None = None) -> Held:
        return {
            (one.ticket_id, one.chunk.visibility, one.chunk.chunk_index): one.chunk.text
            for one in self.sink.objects.values()
            if one.account == (account or self.account)
        }

    async def vectors_of(self, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, tuple[str, Vector]]:
        found = {one: self.sink.objects[one].chunk for one in ids if one in self.sink.objects}
        return {one: (chunk.content_hash, chunk.vector) for one, chunk in found.items()}

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        self.sink.errors = [UnavailableError("away")] * 1_000
        yield
        self.sink.errors = []


class TestInMemorySink(SinkBehaviour):
    @pytest.fixture
    def bench(self) -> InMemoryBench:
        return InMemoryBench()
