"""How far the pipeline has come, as the broker tells it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError

from schemas.cluster import Cluster
from schemas.errors import UnavailableError
from streams.kafka import clients
from streams.kafka import committed as module
from streams.kafka.committed import CommittedOffsets
from streams.testing import settle

P0, P1, P2 = (TopicPartition("t", partition) for partition in range(3))


class Broker:
    def __init__(self) -> None:
        self.begins = {P0: 0, P1: 5, P2: 7}
        self.ends = {P0: 10, P1: 9, P2: 7}
        self.committed: dict[TopicPartition, int] = {}
        self.error: KafkaError | None = None
        self.stopped: list[str] = []

    def client(self, name: str) -> Any:
        broker = self

        class Client:
            def __init__(self, **_: Any) -> None: ...

            async def start(self) -> None:
                broker.check()

            async def stop(self) -> None:
                broker.stopped.append(name)

            close = stop

            async def beginning_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
                broker.check()
                return {place: broker.begins[place] for place in places}

            async def end_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
                return {place: broker.ends[place] for place in places}

            async def list_consumer_group_offsets(self, group: str, partitions: list[TopicPartition]) -> Any:
                assert group == "ticketstream"
                broker.check()
                found = {p: broker.committed[p] for p in partitions if p in broker.committed}
                return {place: SimpleNamespace(offset=offset) for place, offset in found.items()}

        return Client

    def check(self) -> None:
        if self.error:
            raise self.error


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    made = Broker()
    monkeypatch.setattr(clients, "AIOKafkaAdminClient", made.client("admin"))
    monkeypatch.setattr(clients, "AIOKafkaConsumer", made.client("consumer"))
    monkeypatch.setattr(module, "_POLL_COMMITTED_SECONDS", 0)
    return made


async def test_only_partitions_that_hold_anything_count(broker: Broker) -> None:
    async with CommittedOffsets(Cluster("kafka:1", 3)) as watermarks:
        assert await watermarks.ends("t") == {P0: 10, P1: 9}  # the third is empty
    assert sorted(broker.stopped) == ["admin", "consumer"]


@pytest.mark.parametrize(
    ("committed", "passed"),
    [
        ({}, False),
        ({P0: 10}, False),
        ({P0: 10, P1: 8}, False),
        ({P0: 10, P1: 9}, True),
        ({P0: 11, P1: 90}, True),
        ({P0: 10, P1: -1}, False),
    ],
)
async def test_everything_has_passed_when_every_partition_has(
    broker: Broker, committed: dict[TopicPartition, int], passed: bool
) -> None:
    broker.committed = committed
    async with CommittedOffsets(Cluster("kafka:1", 3)) as watermarks:
        assert await watermarks.passed(await watermarks.ends("t")) is passed


async def test_it_waits_for_what_was_there_and_not_for_what_comes_later(broker: Broker) -> None:
    broker.committed = {P0: 9, P1: 9}
    async with CommittedOffsets(Cluster("kafka:1", 3)) as watermarks:
        waiting = asyncio.create_task(watermarks.wait_for("t"))
        await settle()
        assert not waiting.done()
        broker.ends[P0] = 500
        broker.committed[P0] = 10
        await asyncio.wait_for(waiting, 1)


async def test_an_empty_topic_is_not_waited_for(broker: Broker) -> None:
    broker.ends = dict(broker.begins)
    async with CommittedOffsets(Cluster("kafka:1", 3)) as watermarks:
        await asyncio.wait_for(watermarks.wait_for("t"), 1)


async def test_a_broker_that_is_away_can_be_asked_again(broker: Broker) -> None:
    async with CommittedOffsets(Cluster("kafka:1", 3)) as watermarks:
        broker.error = KafkaConnectionError("gone")
        with pytest.raises(UnavailableError, match="does not tell the end of t"):
            await watermarks.ends("t")
        with pytest.raises(UnavailableError, match="what was acknowledged"):
            await watermarks.passed({P0: 1})


async def test_a_broker_that_is_away_at_the_start_is_told_and_nothing_stays_open(broker: Broker) -> None:
    broker.error = KafkaConnectionError("nobody")
    with pytest.raises(UnavailableError, match="kafka:1 cannot be reached"):
        async with CommittedOffsets(Cluster("kafka:1", 3)):
            raise AssertionError
    assert sorted(broker.stopped) == ["admin", "consumer"]
