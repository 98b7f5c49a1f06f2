"""The producer: when the call returns, the broker has it all; when it fails, that can pass."""

from __future__ import annotations

import asyncio
import math
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.cluster import ClusterMetadata
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    NotLeaderForPartitionError,
    OutOfOrderSequenceNumber,
    ProducerClosed,
)

from schemas.cluster import Cluster
from schemas.errors import UnavailableError
from streams.kafka import clients as kafka_clients
from streams.kafka import producer as module
from streams.kafka.lease import Lease
from streams.kafka.leased_producer import LeasedProducer
from streams.kafka.messages import Record
from streams.kafka.positions import Positions
from streams.kafka.producer import Producer
from streams.kafka.topics import DEAD_LETTER_MAX_BYTES
from streams.testing import settle


class StubBatch:
    """aiokafka's batch, with room for three records."""

    def __init__(self) -> None:
        self.records: list[tuple[Any, ...]] = []
        self.room = 3
        self.closed = False

    def close(self) -> None:
        self.closed = True

    def append(self, *, timestamp: Any, key: Any, value: Any, headers: Any) -> object | None:
        if len(self.records) == self.room:
            return None
        assert isinstance(headers, list)  # its C code takes nothing else
        self.records.append((key, value, headers))
        return object()


class StubClient:
    """A Kafka client whose broker answers when the test says so."""

    made: list[StubClient]
    refuses_to_start: Exception | None = None

    def __init__(self, lease: Any = None, **options: Any) -> None:
        self.dropped = False
        self.options = options
        self.calls: list[tuple[Any, ...]] = []
        self.futures: list[asyncio.Future[Any]] = []
        self.refusal: Exception | None = None
        self.stopped = 0
        self.never_stops = False
        self.given_up = False
        self.made.append(self)

    async def start(self) -> None:
        if self.refuses_to_start:
            raise self.refuses_to_start

    async def stop(self) -> None:
        self.stopped += 1
        if self.never_stops:
            await asyncio.Event().wait()

    async def give_up(self) -> None:
        self.given_up = True

    async def send(
        self, topic: str, *, value: Any, key: Any, partition: int, headers: list[Any]
    ) -> asyncio.Future[Any]:
        if self.refusal:
            raise self.refusal
        self.calls.append((topic, partition, key, value, headers))
        self.futures.append(asyncio.get_running_loop().create_future())
        return self.futures[-1]

    def create_batch(self) -> StubBatch:
        return StubBatch()

    async def send_batch(self, batch: StubBatch, topic: str, *, partition: int) -> asyncio.Future[Any]:
        if self.refusal:
            raise self.refusal
        self.calls.append((topic, partition, batch.records))
        self.futures.append(asyncio.get_running_loop().create_future())
        return self.futures[-1]

    def answer(self, *offsets: int) -> None:
        for call, future, offset in zip(self.calls, self.futures, offsets, strict=True):
            future.set_result(SimpleNamespace(topic=call[0], partition=call[1], offset=offset))
        self.calls, self.futures = [], []


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> list[StubClient]:
    class Stub(StubClient):
        made: list[StubClient] = []  # noqa: RUF012

    monkeypatch.setattr(kafka_clients, "LeasedProducer", Stub)
    return Stub.made


async def started(positions: Positions | None = None) -> Producer:
    producer = Producer(Cluster("kafka:1", 8), "worker-0", positions=positions)
    await producer.start()
    return producer


async def test_it_asks_for_every_replica_and_no_duplicates(clients: list[StubClient]) -> None:
    await started()
    options = clients[0].options
    assert (options["acks"], options["enable_idempotence"]) == ("all", True)
    assert options["bootstrap_servers"] == "kafka:1"
    assert options["max_request_size"] >= DEAD_LETTER_MAX_BYTES


async def test_it_returns_when_the_broker_has_every_record(clients: list[StubClient]) -> None:
    positions = Positions()
    producer = await started(positions)
    records = [
        Record("t", 0, b"a", b"1", [("schema", b"x")]),
        Record("t", 1, None, None),
        Record("t", 0, b"b", b"2"),
    ]
    sending = asyncio.create_task(producer.send(records))
    await settle()
    (client,) = clients
    # What goes to one place goes in one batch, in order; a single record joins a batch that waits already.
    batch = ("t", 0, [(b"a", b"1", [("schema", b"x")]), (b"b", b"2", [])])
    assert sorted(client.calls, key=len) == [batch, ("t", 1, None, None, [])]
    (first, second) = client.futures if client.calls[0] == batch else client.futures[::-1]
    first.set_result(SimpleNamespace(topic="t", partition=0, offset=10))
    await settle()
    assert not sending.done()
    assert positions.sent == {}
    second.set_result(SimpleNamespace(topic="t", partition=1, offset=5))
    assert await sending == {("t", 0): 11, ("t", 1): 5}
    assert positions.sent == {("t", 0): 12, ("t", 1): 6}


async def test_what_fills_a_batch_goes_on_in_the_next_once_it_is_there(clients: list[StubClient]) -> None:
    positions = Positions()
    producer = await started(positions)
    sending = asyncio.create_task(producer.send([Record("t", 0, b"k", b"%d" % n) for n in range(5)]))
    await settle()
    assert [[value for _, value, _ in call[2]] for call in clients[0].calls] == [[b"0", b"1", b"2"]]
    clients[0].answer(7)
    await settle()
    assert [[value for _, value, _ in call[2]] for call in clients[0].calls] == [[b"3", b"4"]]
    clients[0].answer(20)  # somebody else's came between
    assert await sending == {("t", 0): 21}
    assert positions.sent == {("t", 0): 22}


async def test_heads_never_go_back(clients: list[StubClient]) -> None:
    positions = Positions()
    producer = await started(positions)
    for offset in (7, 3):
        sending = asyncio.create_task(producer.send([Record("t", 0, b"a", b"1")]))
        await settle()
        clients[0].answer(offset)
        await sending
    assert positions.sent == {("t", 0): 8}


async def test_nothing_to_send_is_nothing_to_wait_for(clients: list[StubClient]) -> None:
    assert await (await started()).send([]) == {}


@pytest.mark.parametrize("error", [KafkaTimeoutError(), KafkaConnectionError("gone"), OSError("gone")])
async def test_a_record_the_broker_did_not_take_can_be_tried_again(
    clients: list[StubClient], error: Exception
) -> None:
    positions = Positions()
    producer = await started(positions)
    two = [Record("t", 0, b"a", b"1"), Record("t", 0, b"b", b"2")]
    sending = asyncio.create_task(producer.send([*two, Record("t", 1, b"c", b"3")]))
    await settle()
    clients[0].futures[0].set_result(SimpleNamespace(topic="t", partition=0, offset=1))
    clients[0].futures[1].set_exception(error)
    with pytest.raises(UnavailableError, match="did not take a message"):
        await sending
    assert positions.sent == {}


@pytest.mark.parametrize("error", [OutOfOrderSequenceNumber(), MessageSizeTooLargeError()])
async def test_after_a_refused_batch_the_next_goes_through_a_client_of_its_own(
    clients: list[StubClient], error: Exception
) -> None:
    producer = await started()
    sending = [asyncio.create_task(producer.send([Record("t", 0, b"a", b"1")])) for _ in range(2)]
    await settle()
    for future in clients[0].futures:
        future.set_exception(error)
    for each in sending:
        with pytest.raises(UnavailableError, match="did not take a message"):
            await each
    assert (clients[0].dropped, clients[0].stopped) == (True, 1)
    again = asyncio.create_task(producer.send([Record("t", 0, b"a", b"1")]))
    await settle()
    clients[1].answer(4)
    assert await again == {("t", 0): 4}
    assert len(clients) == 2


async def test_a_client_whose_batch_can_be_sent_again_stays(clients: list[StubClient]) -> None:
    producer = await started()
    sending = asyncio.create_task(producer.send([Record("t", 0, b"a", b"1")]))
    await settle()
    clients[0].futures[0].set_exception(NotLeaderForPartitionError())
    with pytest.raises(UnavailableError):
        await sending
    assert not clients[0].stopped


@pytest.mark.parametrize("count", [1, 2])
async def test_a_client_that_does_not_take_it_in_can_be_tried_again(
    clients: list[StubClient], count: int
) -> None:
    producer = await started()
    clients[0].refusal = MessageSizeTooLargeError()
    with pytest.raises(UnavailableError):
        await producer.send([Record("t", 0, b"a", b"1")] * count)


async def test_kafka_away_at_the_start_is_told_and_leaves_nothing_open(
    clients: list[StubClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StubClient, "refuses_to_start", KafkaConnectionError("nobody"))
    producer = Producer(Cluster("kafka:1", 8), "worker-0")
    with pytest.raises(UnavailableError, match="kafka:1 cannot be reached"):
        await producer.start()
    assert clients[0].stopped == 1
    with pytest.raises(UnavailableError, match="not started"):
        await producer.send([])


async def test_stopping_disconnects_once(clients: list[StubClient]) -> None:
    producer = await started()
    await producer.stop()
    await producer.stop()
    assert clients[0].stopped == 1
    with pytest.raises(UnavailableError):
        await producer.send([Record("t", 0, b"a", b"1")])


async def test_what_is_dropped_is_forgotten_and_the_next_connects_anew(
    clients: list[StubClient],
) -> None:
    producer = await started()
    lost = asyncio.create_task(producer.send([Record("t", 0, b"k", b"old")]))
    await settle()
    producer.drop()
    assert clients[0].dropped
    again = asyncio.create_task(producer.send([Record("t", 0, b"k", b"new")]))
    await settle()
    assert [call[3] for call in clients[1].calls] == [b"new"]
    clients[1].answer(7)
    assert await again == {("t", 0): 7}
    assert clients[0].stopped == 1
    lost.cancel()
    await producer.stop()
    with pytest.raises(UnavailableError, match="not started"):
        await producer.send([Record("t", 0, b"k", b"late")])


async def test_what_does_not_leave_in_time_is_given_up(
    clients: list[StubClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_STOP_SECONDS", 0.01)
    producer = await started()
    clients[0].never_stops = True
    await producer.stop()
    assert clients[0].given_up


async def test_a_worker_s_records_wait_for_kafka_however_long_it_is_away() -> None:
    def patience(lease: Lease | None) -> float:
        ttl: float = LeasedProducer(lease, bootstrap_servers="kafka:1")._message_accumulator._batch_ttl
        return ttl

    assert patience(Lease(10)) == math.inf
    assert patience(None) < math.inf


async def test_a_batch_that_a_closing_client_takes_in_too_late_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def known(_: Any, topic: str) -> set[int]:
        return {0}

    monkeypatch.setattr(AIOKafkaClient, "_wait_on_metadata", known)
    monkeypatch.setattr(ClusterMetadata, "partitions_for_topic", lambda _, topic: {0})
    client = LeasedProducer(None, bootstrap_servers="127.0.0.1:1")
    accumulator, place = client._message_accumulator, TopicPartition("t", 0)

    def batch() -> Any:
        made = client.create_batch()
        made.append(timestamp=None, key=b"k", value=b"v", headers=[])
        return made

    first = await client.send_batch(batch(), "t", partition=0)
    late = asyncio.create_task(client.send_batch(batch(), "t", partition=0))
    await settle()
    closing = asyncio.create_task(accumulator.close())
    await settle()
    accumulator._pop_batch(place).done(7)  # the sender has delivered what was there
    assert (await first).offset == 7
    await closing
    with pytest.raises(ProducerClosed):
        await asyncio.wait_for(late, 5)
    await client.stop()
