"""The lease: held while Kafka is known to count the worker in, and effects wait for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import ProducerFenced
from aiokafka.protocol.group import HeartbeatRequest, SyncGroupRequest
from aiokafka.protocol.produce import ProduceRequest

from agents.app.membership import watch_membership
from streams.kafka import lease as module
from streams.kafka.lease import Lease
from streams.kafka.leased_producer import LeasedProducer
from streams.testing import settle


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the time."""
    now = SimpleNamespace(monotonic=lambda: 100.0)
    monkeypatch.setattr(module, "time", now)

    def set_to(seconds: float) -> None:
        now.monotonic = lambda: seconds

    return set_to


def test_it_is_held_for_less_than_a_session_after_a_sign_of_life_left(clock: Callable[[float], None]) -> None:
    lease = Lease(10)
    assert not lease.held
    lease.renew(100)
    assert lease.held
    clock(108.9)
    assert lease.held
    clock(109)
    assert not lease.held


def test_an_older_sign_of_life_does_not_shorten_it(clock: Callable[[float], None]) -> None:
    lease = Lease(10)
    lease.renew(100)
    lease.renew(95)
    clock(108)
    assert lease.held


def test_it_ends_when_kafka_forgets_the_worker(clock: Callable[[float], None]) -> None:
    lease = Lease(10)
    lease.renew(100)
    lease.drop()
    assert not lease.held


async def test_an_effect_waits_until_it_is_held_again() -> None:
    lease = Lease(10)
    waiting = asyncio.create_task(lease.wait())
    await settle()
    assert not waiting.done()
    lease.renew(time.monotonic())
    await asyncio.wait_for(waiting, 5)
    await lease.wait()


class Coordinator:
    """Answers with the code it is given."""

    def __init__(self) -> None:
        self.code = 0
        self.forgotten = 0

    async def _send_req(self, request: Any) -> Any:
        return SimpleNamespace(error_code=self.code)

    def reset_generation(self) -> None:
        self.forgotten += 1


@pytest.mark.parametrize(
    ("request_", "code", "held"),
    [
        (HeartbeatRequest("g", 1, "m"), 0, True),
        (HeartbeatRequest("g", 1, "m"), 27, True),  # rebalance in progress
        (HeartbeatRequest("g", 1, "m"), 25, False),  # unknown member
        (HeartbeatRequest("g", 1, "m"), 22, False),  # illegal generation
        (SyncGroupRequest("g", 1, "m", "i", []), 0, True),
        (SimpleNamespace(), 0, False),
    ],
)
async def test_only_what_the_broker_accepts_is_a_sign_of_life(request_: Any, code: int, held: bool) -> None:
    lease, coordinator = Lease(10), Coordinator()
    watch_membership(coordinator, lease)
    coordinator.code = code
    assert (await coordinator._send_req(request_)).error_code == code
    assert lease.held is held
    coordinator.reset_generation()
    assert (lease.held, coordinator.forgotten) == (False, 1)


async def test_no_message_leaves_without_it_and_what_is_dropped_never_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[Any] = []

    async def send(_: Any, node_id: int, request: Any) -> str:
        sent.append(request)
        return "done"

    lease = Lease(10)
    monkeypatch.setattr(AIOKafkaClient, "send", send)
    client = LeasedProducer(lease, bootstrap_servers="127.0.0.1:9")
    produce = ProduceRequest(None, -1, 1000, [])
    assert await client.client.send(0, "metadata") == "done"
    first = asyncio.create_task(client.client.send(0, produce))
    await settle()
    assert sent == ["metadata"]
    lease.renew(time.monotonic())
    assert await asyncio.wait_for(first, 5) == "done"
    lease.drop()
    second = asyncio.create_task(client.client.send(0, produce))
    await settle()
    client.dropped = True
    with pytest.raises(ProducerFenced):
        await asyncio.wait_for(second, 5)
    assert sent == ["metadata", produce]
    await client.stop()


async def test_it_says_how_long_it_lasts() -> None:
    lease = Lease(10.0)
    lease.renew(time.monotonic())
    assert 0 < await lease.wait() <= 9.0
    lease.drop()
    assert await lease.wait(unless=lambda: True) == 0
