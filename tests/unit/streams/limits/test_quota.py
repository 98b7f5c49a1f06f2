"""Shares of a quota on a fake clock."""

from __future__ import annotations

import asyncio
import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.lanes import Lane
from streams.limits import QuotaShare
from streams.testing import VirtualClock


def share(
    clock: VirtualClock, per_minute: float, partitions: int = 1, own: int = 1, **more: float
) -> QuotaShare:
    made = QuotaShare(per_minute, partitions, clock=clock.clock, sleep=clock.sleep, **more)
    made.own(own)
    return made


async def greedy(
    limit: QuotaShare, clock: VirtualClock, log: list[float], amount: float = 1, lane: Lane = "backfill"
) -> None:
    while True:
        await limit.acquire(amount, lane=lane)
        log.extend([clock.now] * 1)


def most_in_a_minute(times: list[float]) -> int:
    """The most events in any half-open 60 s."""
    times = sorted(times)
    most = start = 0
    for end, when in enumerate(times):
        while times[start] <= when - 60 + 1e-6:
            start += 1
        most = max(most, end - start + 1)
    return most


async def crowd(clock: VirtualClock, shares: list[QuotaShare], seconds: float, each: int = 3) -> list[float]:
    log: list[float] = []
    tasks = [asyncio.create_task(greedy(one, clock, log)) for one in shares for _ in range(each)]
    await clock.run(asyncio.Event().wait(), until=clock.now + seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return log


@settings(max_examples=15, deadline=None)
@given(
    st.integers(1, 6).flatmap(
        lambda workers: st.tuples(
            st.lists(st.integers(1, 3), min_size=workers, max_size=workers),
            st.integers(30, 700),
        )
    )
)
def test_all_workers_together_stay_within_the_quota_and_use_it(case: tuple[list[int], int]) -> None:
    owned, per_minute = case
    partitions = sum(owned)

    async def run() -> None:
        clock = VirtualClock()
        shares = [share(clock, per_minute, partitions, one) for one in owned]
        log = await crowd(clock, shares, 180)
        assert most_in_a_minute(log) <= per_minute
        # A worker's fraction of a call cannot be used by it.
        usable = sum(math.floor(per_minute * one / partitions) for one in owned)
        assert len(log) >= 0.97 * 3 * usable - len(owned)
        if len(owned) == 1:
            assert len(log) >= 0.97 * 3 * per_minute

    asyncio.run(run())


@pytest.mark.parametrize("per_minute", [10, 60, 400, 700, 24_000])
async def test_a_backfill_alone_uses_nearly_all_of_the_quota(per_minute: int) -> None:
    clock = VirtualClock()
    minutes = 10 if per_minute < 1000 else 0.2
    log = await crowd(clock, [share(clock, per_minute)], minutes * 60)
    assert 0.97 * per_minute * minutes <= len(log) <= per_minute * minutes
    if per_minute < 1000:
        assert most_in_a_minute(log) <= per_minute


async def test_after_idle_time_a_minute_still_holds_no_more_than_the_quota() -> None:
    clock = VirtualClock()
    limit = share(clock, 400)
    clock.now += 3600
    log = await crowd(clock, [limit], 60)
    assert 0.97 * 400 <= len(log) <= 400


async def test_a_restart_brings_no_new_minute() -> None:
    clock = VirtualClock()
    log: list[float] = []
    for _ in range(20):
        log += await crowd(clock, [share(clock, 400)], 3)
    assert most_in_a_minute(log) <= 400 + 20


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(10, 25_000), min_size=30, max_size=60))
def test_amounts_over_the_burst_pass_at_the_same_rate(amounts: list[float]) -> None:
    async def run() -> None:
        clock = VirtualClock()
        limit = share(clock, 1_000_000)
        started = clock.now
        waits = [await clock.run(limit.acquire(amount, lane="backfill")) for amount in amounts]
        spent = clock.now - started
        assert sum(amounts) <= 1_000_000 / 60 * spent + max(*amounts, 1_000_000 / 120 + 1)
        assert spent <= sum(amounts) / (0.97 * 1_000_000 / 60) + 0.1
        assert limit.waited_seconds_total == pytest.approx(sum(one or 0.0 for one in waits))
        assert limit.acquired_total == pytest.approx(sum(amounts))

    asyncio.run(run())


async def test_passes_in_order_whatever_the_amounts() -> None:
    clock = VirtualClock()
    limit = share(clock, 60)
    order: list[int] = []

    async def one(number: int, amount: float) -> None:
        await limit.acquire(amount, lane="backfill")
        order.append(number)

    tasks = [asyncio.create_task(one(n, amount)) for n, amount in enumerate((1, 30, 1, 2, 1))]
    await clock.run(asyncio.gather(*tasks))
    assert order == [0, 1, 2, 3, 4]


async def test_live_passes_before_a_crowd_of_backfills() -> None:
    clock = VirtualClock()
    limit = share(clock, 60)
    log: list[float] = []
    tasks = [asyncio.create_task(greedy(limit, clock, log)) for _ in range(50)]
    await clock.run(asyncio.Event().wait(), until=clock.now + 30)
    waits = [await clock.run(limit.acquire(lane="live")) for _ in range(5)]
    assert max(one for one in waits if one is not None) <= 1.1  # one token's time
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_live_call_does_not_wait_behind_a_large_backfill() -> None:
    clock = VirtualClock()
    limit = share(clock, 60)
    large = asyncio.create_task(limit.acquire(500, lane="backfill"))
    await clock.run(clock.sleep(5.2))
    assert await clock.run(limit.acquire(lane="live")) == 0 or clock.now < 1006.5
    waited = await clock.run(large)
    assert waited is not None and waited < 515  # and is not starved by it


async def test_recent_live_traffic_finds_the_reserve_untouched() -> None:
    clock = VirtualClock()
    limit = share(clock, 6000, reserve=0.1)
    log: list[float] = []
    tasks = [asyncio.create_task(greedy(limit, clock, log)) for _ in range(50)]
    waits = []
    for _ in range(20):
        await clock.run(clock.sleep(1.0))
        waits.append(await clock.run(limit.acquire(lane="live")))
    assert max(one for one in waits[1:] if one is not None) == 0
    rate = len(log) / (clock.now - 1000.0) * 60
    assert 0.86 * 6000 <= rate <= 0.93 * 6000
    before = len(log)
    await clock.run(clock.sleep(10.0))  # live traffic is forgotten
    start, before = clock.now, len(log)
    await clock.run(clock.sleep(20.0))
    assert (len(log) - before) / (clock.now - start) * 60 >= 0.97 * 6000
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["live", "backfill"]), st.floats(0, 2)), min_size=1, max_size=60))
def test_everybody_passes_in_the_end_and_live_first(calls: list[tuple[Lane, float]]) -> None:
    async def run() -> None:
        clock = VirtualClock()
        limit = share(clock, 60)
        passed: list[tuple[Lane, int]] = []

        async def one(lane: Lane, number: int) -> None:
            await limit.acquire(lane=lane)
            waiting = {other.get_name() for other in tasks if not other.done()} - {f"{lane}{number}"}
            if lane == "backfill":
                # Whoever is still waiting at the time a backfill passes is no live call.
                assert not [name for name in waiting if name.startswith("live")]
            passed.append((lane, number))

        tasks: list[asyncio.Task[None]] = []
        for number, (lane, gap) in enumerate(calls):
            await clock.run(clock.sleep(gap))
            tasks.append(asyncio.create_task(one(lane, number), name=f"{lane}{number}"))
            await clock.settle()
        await clock.run(asyncio.gather(*tasks))
        assert len(passed) == len(calls)
        for lane in ("live", "backfill"):
            numbers = [number for kind, number in passed if kind == lane]
            assert numbers == sorted(numbers)

    asyncio.run(run())


async def test_nobody_passes_without_partitions_until_some_are_owned() -> None:
    clock = VirtualClock()
    limit = share(clock, 60, partitions=4, own=0)
    limit.own(1)
    limit.own(0)
    await clock.run(limit.acquire())  # the one token of the start
    waiting = asyncio.create_task(limit.acquire())
    await clock.settle()
    clock.now += 10_000
    await clock.settle()
    assert not waiting.done() and limit.waiting == 1
    limit.own(2)
    assert await clock.run(waiting) == pytest.approx(10_002, abs=0.1)


async def test_a_change_of_ownership_changes_the_rate() -> None:
    clock = VirtualClock()
    limit = share(clock, 600, partitions=10, own=10)
    whole = await crowd(clock, [limit], 60)
    limit.own(3)
    part = await crowd(clock, [limit], 60)
    limit.own(6)
    more = await crowd(clock, [limit], 60)
    assert len(whole) == pytest.approx(600, rel=0.03)
    assert len(part) == pytest.approx(180, rel=0.04)
    assert len(more) == pytest.approx(360, rel=0.04)


async def test_a_pause_holds_everybody_and_is_never_shortened() -> None:
    clock = VirtualClock()
    limit = share(clock, 6000)
    await clock.run(limit.acquire())
    limit.pause(30)
    limit.pause(5)
    assert await clock.run(limit.acquire(lane="live")) == pytest.approx(30, abs=0.01)


async def test_a_pause_also_holds_those_who_wait_already() -> None:
    clock = VirtualClock()
    limit = share(clock, 60)
    await clock.run(limit.acquire())
    waiting = asyncio.create_task(limit.acquire())
    await clock.settle()
    limit.pause(20)
    assert await clock.run(waiting) == pytest.approx(20, abs=0.01)


async def test_nothing_remaining_means_waiting_for_the_reset() -> None:
    clock = VirtualClock()
    limit = share(clock, 6000)
    clock.now += 5
    limit.observe(0, 17)
    assert await clock.run(limit.acquire()) == pytest.approx(17, abs=0.01)


async def test_little_remaining_is_shared_and_spread_until_the_reset() -> None:
    clock = VirtualClock()
    limit = share(clock, 600, partitions=2, own=1)
    clock.now += 5
    limit.observe(60, 30)  # somebody else has used the rest: 30 calls are this worker's
    log = await crowd(clock, [limit], 29.9)
    assert 27 <= len(log) <= 31
    log = await crowd(clock, [limit], 60)
    assert len(log) == pytest.approx(300, rel=0.03)


async def test_headers_as_expected_change_nothing() -> None:
    clock = VirtualClock()
    limit = share(clock, 400)
    log: list[float] = []

    async def caller() -> None:
        while True:
            await limit.acquire(lane="backfill")
            log.append(clock.now)
            used = sum(1 for when in log if (when - 1000) // 60 == (clock.now - 1000) // 60)
            limit.observe(400 - used, math.ceil(60 - (clock.now - 1000) % 60))

    tasks = [asyncio.create_task(caller()) for _ in range(5)]
    await clock.run(asyncio.Event().wait(), until=clock.now + 180)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert len(log) >= 0.97 * 1200


async def test_a_cancelled_waiter_leaves_no_gap() -> None:
    clock = VirtualClock()
    limit = share(clock, 60)
    await clock.run(limit.acquire())
    large = asyncio.create_task(limit.acquire(1000))
    small = asyncio.create_task(limit.acquire())
    await clock.settle()
    large.cancel()
    assert await clock.run(small) == pytest.approx(1, abs=0.05)
    assert limit.acquired_total == 2


async def test_a_whole_limit_owns_all() -> None:
    limit = QuotaShare.whole(100_000)
    assert limit.owned == limit.partitions == 1
    assert await limit.acquire() == 0.0


async def test_large_rates_on_the_real_clock() -> None:
    limit = QuotaShare.whole(24_000)
    await limit.acquire()
    started = time.monotonic()
    await asyncio.gather(*(limit.acquire(lane="backfill") for _ in range(200)))
    assert 0.97 * 200 / 400 <= time.monotonic() - started < 1.0


def test_nonsense_is_refused() -> None:
    for arguments in ((0, 1), (10, 0), (-1, 1)):
        with pytest.raises(ValueError, match="quota"):
            QuotaShare(*arguments)
    with pytest.raises(ValueError, match="cannot be owned"):
        QuotaShare(10, 2).own(3)
