"""What happens to what is on its way to Kafka, and to the quotas, when partitions go."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from agents.services.clients import EFFECTS_SECONDS, ProducerPart
from agents.services.quotas import Quotas
from schemas.settings.kafka import KafkaSettings
from schemas.settings.load import Settings


class Calls:
    def __init__(self) -> None:
        self.log: list[str] = []

    async def flush(self, seconds: float) -> None:
        self.log.append(f"flush {seconds}")

    def drop(self) -> None:
        self.log.append("drop")


@pytest.mark.parametrize(("held", "calls"), [(True, [f"flush {EFFECTS_SECONDS}"]), (False, ["drop"])])
async def test_what_was_sent_leaves_before_the_partitions_go_and_never_after_they_are_lost(
    held: bool, calls: list[str]
) -> None:
    producer = Calls()
    part = ProducerPart(producer, SimpleNamespace(held=held))  # type: ignore[arg-type]
    await part.let_go()
    assert producer.log == calls


async def test_a_lease_that_ends_while_it_is_waited_for_lets_nothing_more_leave() -> None:
    lease = SimpleNamespace(held=True)

    class Slow(Calls):
        async def flush(self, seconds: float) -> None:
            await super().flush(seconds)
            lease.held = False

    producer = Slow()
    await ProducerPart(producer, lease).let_go()  # type: ignore[arg-type]
    assert producer.log == [f"flush {EFFECTS_SECONDS}", "drop"]


async def test_a_worker_has_the_share_of_its_partitions_and_none_while_it_has_none() -> None:
    ground: Any = SimpleNamespace(
        settings=Settings(kafka=KafkaSettings(partitions=8)),
        app=SimpleNamespace(lease=SimpleNamespace(held=True)),
        partitions=8,
    )
    quotas = Quotas(ground)
    await quotas.take(frozenset({1, 2}), frozenset())
    await asyncio.wait_for(quotas.general.acquire(1, lane="live"), 5)
    await quotas.let_go()
    waiting = asyncio.create_task(quotas.general.acquire(1, lane="live"))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await quotas.take(frozenset(range(8)), frozenset())
    await asyncio.wait_for(waiting, 5)
