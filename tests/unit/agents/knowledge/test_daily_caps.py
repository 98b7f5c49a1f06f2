"""Daily caps: paused, never failed; counted before the call; on again with the next day or a higher cap."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from agents.knowledge.embed.daily_caps import DailyCaps, PartitionsLostError
from agents.testing import InMemoryTables
from schemas.errors import SettingsError, UnavailableError
from schemas.lanes import Lane
from schemas.settings.embedding import EmbeddingSettings
from schemas.tables import SPENDING_KEY, EmbeddingSpent
from streams.limits.daily import TooMuchAtOnceError
from streams.limits.daily_caps import DAY, Unit, caps_of
from streams.metrics import Metrics
from streams.metrics.make import Maker
from streams.testing import VirtualClock, settle
from tests.shared_fixtures import logs

__all__ = ["logs"]
pytestmark = pytest.mark.usefixtures("logs")
NOON = 20_000 * DAY + DAY / 2


class CapsBench:
    """A worker with its caps; ``restart`` is a kill -9 and a new one on the same table."""

    def __init__(self, partitions: int = 4, **caps: int) -> None:
        self.clock = VirtualClock(NOON)
        self.table = InMemoryTables()["spending"]
        self.partitions = partitions
        self.caps: dict[Unit, int] = dict(caps)  # type: ignore[arg-type]

    async def restart(self, owned: int | None = None, **caps: int) -> DailyCaps:
        self.caps |= caps  # type: ignore[arg-type]
        self.registry = CollectorRegistry()
        made = DailyCaps(
            self.caps,
            self.table,
            self.partitions,
            Metrics(Maker(self.registry)).services,
            clock=self.clock.clock,
            sleep=self.clock.sleep,
        )
        await made.take(frozenset(range(self.partitions if owned is None else owned)), frozenset())
        self.spending = made
        return made

    async def call(self, tokens: float = 10, lane: Lane = "backfill") -> bool:
        """Say whether a call may be made without a wait."""
        waiting = asyncio.ensure_future(self.spending.acquire(1, tokens, lane=lane, divisible=False))
        await settle()
        if waiting.done():
            waiting.result()
            return True
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        return False

    def entries(self) -> dict[int, EmbeddingSpent]:
        return {p: e for p in range(self.partitions) if (e := self.table.get(p, SPENDING_KEY)) is not None}

    def gauge(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"ticketstream_embedding_{name}", labels)


async def test_without_partitions_a_worker_shows_no_share_and_nothing_spent() -> None:
    bench = CapsBench(requests=10)
    spending = await bench.restart(owned=2)
    assert [await bench.call() for _ in range(6)][-1] is False
    assert (bench.gauge("spent_today", unit="requests"), bench.gauge("cap_today", unit="requests")) == (4, 5)
    assert bench.gauge("cap_today", unit="tokens") == float("inf")
    await spending.let_go()
    assert (bench.gauge("spent_today", unit="requests"), bench.gauge("cap_today", unit="requests")) == (0, 0)
    assert bench.gauge("paused", lane="backfill") == 0
    # Nor does one that has just started and waits for its partitions.
    made = Metrics(Maker(registry := CollectorRegistry())).services
    DailyCaps({"requests": 10}, bench.table, 4, made)
    assert registry.get_sample_value("ticketstream_embedding_cap_today", {"unit": "requests"}) == 0


async def test_a_reached_cap_pauses_until_midnight_and_then_goes_on(logs: list[Any]) -> None:
    bench = CapsBench(requests=10)
    spending = await bench.restart()
    assert [await bench.call() for _ in range(10)] == [True] * 9 + [False]
    assert spending.paused()
    assert not spending.paused("live")
    assert bench.gauge("paused", lane="backfill") == 1
    assert bench.gauge("paused", lane="live") == 0
    assert bench.gauge("spent_today", unit="requests") == 9
    entries = bench.entries()
    assert [(e.paused, e.cap) for e in entries.values()] == [("requests", 10)] * 4
    assert sum(e.requests for e in entries.values()) == 9

    waiting = asyncio.ensure_future(spending.acquire(1, 10, lane="backfill", divisible=True))
    waited = await bench.clock.run(waiting)
    assert waited == pytest.approx(DAY / 2, abs=1)
    assert bench.clock.now == pytest.approx(20_001 * DAY, abs=1)
    assert not spending.paused()
    assert bench.gauge("paused", lane="backfill") == 0
    assert bench.gauge("spent_today", unit="requests") == 1
    said = [entry["event"] for entry in logs]
    assert said == [
        "embedding is paused: the daily cap is reached",
        "embedding goes on: a new day has begun",
    ]
    assert logs[0]["setting"] == "TICKETSTREAM_EMBEDDING__REQUESTS_PER_DAY"
    assert logs[0]["goes_on_at"] == "00:00 UTC"


async def test_live_changes_go_on_from_the_reserve_and_pause_when_it_is_used_up(logs: list[Any]) -> None:
    bench = CapsBench(tokens=1_000)
    spending = await bench.restart()
    while await bench.call(100):
        pass
    assert sum(e.tokens for e in bench.entries().values()) == 900
    assert await bench.call(60, "live")
    # What is left would hold it, but a pause is a pause: no backfill slips in.
    assert not await bench.call(10)
    assert not await bench.call(60, "live")
    assert spending.paused("live")
    assert bench.gauge("paused", lane="live") == 1
    assert [entry["lanes"] for entry in logs] == [["backfill"], ["live"]]
    assert all(e.paused == "tokens" for e in bench.entries().values())


async def test_the_count_is_written_before_the_call_and_survives_a_kill() -> None:
    bench = CapsBench(requests=10)
    await bench.restart()
    for _ in range(5):
        assert await bench.call()
    assert sum(e.requests for e in bench.entries().values()) == 5
    await bench.restart()
    assert [await bench.call() for _ in range(5)] == [True] * 4 + [False]


async def test_a_note_that_kafka_does_not_take_is_no_call_and_costs_nothing() -> None:
    bench = CapsBench(requests=10)
    await bench.restart()
    bench.table.failures = 1
    with pytest.raises(UnavailableError):
        await bench.call()
    assert bench.gauge("spent_today", unit="requests") == 0
    assert [await bench.call() for _ in range(10)] == [True] * 9 + [False]


async def test_a_raised_cap_goes_on_at_once_after_a_restart() -> None:
    bench = CapsBench(requests=10)
    await bench.restart()
    while await bench.call():
        pass
    spending = await bench.restart(requests=20)
    # The mark is gone before anybody calls.
    assert [e.paused for e in bench.entries().values()] == [""] * 4
    assert not spending.paused()
    calls = 0
    while await bench.call():
        calls += 1
    assert calls == 9


async def test_what_partitions_have_spent_goes_along_with_them() -> None:
    bench = CapsBench(requests=40)
    first = await bench.restart()
    for _ in range(20):
        assert await bench.call()
    second = DailyCaps(
        bench.caps, bench.table, 4, Metrics().services, clock=bench.clock.clock, sleep=bench.clock.sleep
    )
    await first.take(frozenset([0, 1]), frozenset())
    await second.take(frozenset([2, 3]), frozenset())
    made = 20
    for worker in (first, second):
        bench.spending = worker
        while await bench.call():
            made += 1
    assert made == 36  # 90 % of 40


async def test_who_owns_nothing_waits_and_is_let_go_when_the_partitions_change() -> None:
    bench = CapsBench(requests=40)
    spending = await bench.restart(owned=0)
    waiting = asyncio.ensure_future(spending.acquire(1, 1, lane="live", divisible=False))
    await settle()
    assert not waiting.done()
    await spending.let_go()
    with pytest.raises(PartitionsLostError):
        await waiting


async def test_a_call_whose_partitions_go_while_it_is_noted_is_not_made() -> None:
    bench = CapsBench(requests=40)
    spending = await bench.restart()
    bench.table.gate.clear()
    waiting = asyncio.ensure_future(spending.acquire(1, 1, lane="live", divisible=False))
    await settle()
    await spending.let_go()
    await asyncio.wait_for(spending.take(frozenset(range(4)), frozenset()), 5)  # waits for nobody
    bench.table.gate.set()
    with pytest.raises(PartitionsLostError):
        await waiting
    assert sum(e.requests for e in bench.entries().values()) == 1  # noted all the same: never too little


async def test_a_call_too_large_for_what_is_left_is_to_be_split() -> None:
    bench = CapsBench(tokens=1_000, requests=1_000)
    spending = await bench.restart()
    assert await bench.call(700)
    with pytest.raises(TooMuchAtOnceError):
        await spending.acquire(1, 400, lane="backfill", divisible=True)
    assert not spending.paused()
    assert await bench.call(200)
    assert not await bench.call(1)


async def test_a_clock_set_back_over_midnight_brings_no_second_cap() -> None:
    bench = CapsBench(requests=10)
    bench.clock.now = 20_001 * DAY + 5
    await bench.restart()
    while await bench.call():
        pass
    bench.clock.now -= 60
    assert bench.spending.paused()
    assert not await bench.call()
    await bench.restart()
    assert not await bench.call()


async def test_yesterday_s_count_is_forgotten() -> None:
    bench = CapsBench(requests=10)
    await bench.restart()
    while await bench.call():
        pass
    bench.clock.now += DAY
    spending = await bench.restart()
    assert not spending.paused()
    assert await bench.call()


def test_a_cap_too_small_for_a_single_partition_names_its_variable() -> None:
    assert caps_of(EmbeddingSettings(), 8) == {}
    assert caps_of(EmbeddingSettings(requests_per_day=9, tokens_per_day=1_000_000), 8) == {
        "requests": 9,
        "tokens": 1_000_000,
    }
    with pytest.raises(SettingsError, match=r"TICKETSTREAM_EMBEDDING__REQUESTS_PER_DAY is 8.*at least 9$"):
        caps_of(EmbeddingSettings(requests_per_day=8), 8)
    with pytest.raises(SettingsError, match=r"TOKENS_PER_DAY is 12,000.*at least 12,445$"):
        caps_of(EmbeddingSettings(tokens_per_day=12_000), 8)
