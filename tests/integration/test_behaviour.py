"""The real parts keep the promises that their doubles keep: tests/behaviour on Kafka and Weaviate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from harness import Desk
from weaviate_bench import Bench, bench
from weaviate_fixture import weaviate_settings

from agents.app.tables import StateTable
from agents.testing import an_app
from schemas.codec import encode
from schemas.tables import SeenTicket
from schemas.topics import changelog_topic
from streams.kafka.messages import Record
from streams.kafka.part_reader import PartReader
from streams.kafka.producer import Producer
from streams.kafka.topic_reader import TopicReader
from tests.behaviour.parts import TOPIC, PartsBehaviour
from tests.behaviour.producer import ProducerBehaviour
from tests.behaviour.sink import SinkBehaviour
from tests.behaviour.table import TableBehaviour, entry

__all__ = ["bench", "weaviate_settings"]
TABLE = "behaviour"
TOPICS = (*ProducerBehaviour.topics, TOPIC, changelog_topic(TABLE))
PARTITIONS = 3


@pytest.fixture(scope="module")
def kafka(shared_desk: Desk) -> Iterator[Desk]:
    """The shared stack, with the topics of these tests."""

    async def change(*, make: bool) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=shared_desk.settings.cluster.servers)
        await admin.start()
        try:
            if make:
                await admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in TOPICS])
            else:
                await admin.delete_topics(list(TOPICS))
        finally:
            await admin.close()

    asyncio.run(change(make=True))
    yield shared_desk
    asyncio.run(change(make=False))


@pytest.fixture
async def producer(kafka: Desk) -> AsyncIterator[Producer]:
    """A started producer."""
    async with kafka.producer() as made:
        yield made


@asynccontextmanager
async def stopped(producer: Producer) -> AsyncIterator[None]:
    """Have a producer be without Kafka meanwhile."""
    await producer.stop()
    yield
    await producer.start()


class TestProducer(ProducerBehaviour):
    @pytest.fixture(autouse=True)
    def keep(self, kafka: Desk, producer: Producer) -> None:
        self.desk, self.made = kafka, producer

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        async with stopped(self.made):
            yield

    async def lying_on(self, topic: str, partition: int) -> list[Record]:
        async with TopicReader(self.desk.settings.cluster, [topic]) as reader:
            return [
                Record(topic, partition, raw.key, raw.value, list(raw.headers))
                async for raw in reader.to_end()
                if raw.partition == partition
            ]


class TestParts(PartsBehaviour):
    @pytest.fixture
    def reader(self, kafka: Desk, producer: Producer) -> PartReader:
        self.producer = producer
        return PartReader(kafka.settings.cluster)

    async def sent(self, record: Record) -> int:
        return (await self.producer.send([record]))[TOPIC, record.partition]


class TestTable(TableBehaviour):
    @pytest.fixture
    async def table(self, kafka: Desk, producer: Producer, tmp_path: Path) -> StateTable[SeenTicket]:
        self.producer, self.kafka = producer, kafka
        app = an_app(tmp_path, PARTITIONS)
        self.made = StateTable(app, producer, TABLE, SeenTicket, PARTITIONS)
        return self.made

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        async with stopped(self.producer):
            yield

    async def test_the_changelog_tells_a_new_owner_the_same(self, table: StateTable[SeenTicket]) -> None:
        await table.put(2, [(b"a", entry(1)), (b"b", entry(2)), (b"a", entry(3))])
        await table.put(2, [(b"b", None)])
        async with TopicReader(self.kafka.settings.cluster, [table.changelog]) as reader:
            lying = [(raw.key, raw.value) async for raw in reader.to_end() if raw.partition == 2]
        assert lying[-3:] == [(b"a", encode(entry(3))), (b"b", encode(entry(2))), (b"b", None)]


class TestWeaviateSink(SinkBehaviour):
    @pytest.fixture
    def bench(self, bench: Bench) -> Bench:
        return bench
