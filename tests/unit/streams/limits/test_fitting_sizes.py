"""Sizes that fit themselves, as arithmetic, and the gate in front."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.limits.batch_size import BatchSize
from streams.limits.gate import Gate
from streams.limits.in_flight import Adaptive
from streams.limits.pace import Pace


def rounds(
    size: Adaptive, count: int, *, now: float = 0.0, rate: float | None = None, waiting: int = 0
) -> float:
    """End that many rounds of a second each, or at a rate that stays the same; returns the time then."""
    for _ in range(count):
        ends = min(size.size, 32)
        now += 1.0 if rate is None else ends / rate
        for _ in range(ends):
            size.ended(now, wanted=True, waiting=waiting)
    return now


@given(
    st.integers(1, 50),
    st.lists(st.sampled_from(["ended", "idle", "held", "waits", "refused"]), max_size=400),
    st.floats(0, 5),
)
def test_the_size_stays_in_its_bounds_whatever_happens(start: int, events: list[str], pause: float) -> None:
    size = Adaptive(start, least=1, most=64)
    now = 0.0
    for event in events:
        now += pause
        before = size.size
        if event == "refused":
            size.refused()
            assert size.size <= before
        else:
            waiting = {"ended": 0, "idle": 0, "held": None, "waits": before}[event]
            size.ended(now, wanted=event != "idle", waiting=waiting)
        assert 1 <= size.size <= 64


def test_it_doubles_until_the_first_refusal_and_then_adds() -> None:
    size = Adaptive(1, least=1, most=400)
    seen = []
    now = 0.0
    for _ in range(4):
        now = rounds(size, 1, now=now)
        seen.append(size.size)
    assert seen == [5, 10, 20, 40]
    size.refused()
    assert size.size == 28
    assert rounds(size, 2, now=now) and size.size == 28 + 2 * 4


def test_from_64_on_it_adds() -> None:
    size = Adaptive(50, least=1, most=400)
    seen = []
    now = 0.0
    for number in range(3):
        now = rounds(size, 1, now=now, rate=100.0 * 2**number)
        seen.append(size.size)
    assert seen == [64, 68, 72]


def test_what_was_refused_together_takes_it_back_once() -> None:
    size = Adaptive(100, least=1, most=400)
    for _ in range(70):
        size.refused()
    assert size.size == 70
    size.refused()
    assert size.size == 70  # as many were under way
    for _ in range(2):
        size.refused()
    assert size.size == 49


def test_growth_that_brings_nothing_is_taken_back() -> None:
    size = Adaptive(20, least=1, most=400)
    now = rounds(size, 60, rate=100)  # the service answers 100 a second, however many ask
    assert size.size <= 40
    assert rounds(size, 200, now=now, rate=100) and size.size <= 40


def test_it_shrinks_while_most_of_it_waits_for_quota_and_holds_while_the_way_behind_is_full() -> None:
    size = Adaptive(200, least=1, most=400)
    for _ in range(3_000):
        size.ended(0.0, wanted=True, waiting=max(0, size.size - 10))
    assert 10 <= size.size <= 20
    for how in ({"wanted": True, "waiting": None}, {"wanted": False, "waiting": 0}):
        for _ in range(40):
            size.ended(0.0, **how)  # type: ignore[arg-type]
        before = size.size
        for _ in range(100):
            size.ended(0.0, **how)  # type: ignore[arg-type]
        assert size.size == before


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="least"):
        Adaptive(0, least=1, most=4)
    with pytest.raises(ValueError, match="least"):
        Adaptive(5, least=1, most=4)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 100)), max_size=100))
def test_a_batch_is_halved_by_a_failure_and_grows_again(calls: list[tuple[bool, int]]) -> None:
    batch = BatchSize(100)
    for well, items in calls:
        before, items = batch.size, min(items, batch.size)
        if well:
            batch.ended(items)
            assert before <= batch.size <= 100
        else:
            batch.failed(items)
            assert batch.size == max(1, items // 2)
    for _ in range(25):
        batch.ended(batch.size)
    assert batch.size == 100


def test_a_batch_takes_a_second_of_a_quota_that_counts_items() -> None:
    batch = BatchSize(100)
    assert [batch.fitting(quota) for quota in (0, 50, 1_500, 3_000, 1e12)] == [1, 1, 25, 50, 100]


@given(st.lists(st.one_of(st.none(), st.floats(0, 3_600), st.integers(1, 400)), max_size=60))
def test_the_pace_stays_above_nothing_and_comes_back(events: list[float | int | None]) -> None:
    pace = Pace()
    for event in events:
        before = pace.part
        if isinstance(event, int):
            for _ in range(event):
                pace.answered()
            assert before <= pace.part <= 1
        else:
            pace.refused(event)
            assert 0 < pace.part <= before
    for _ in range(1_200):
        pace.answered()
    assert pace.part == 1


def test_one_refusal_tells_how_far_off_the_pace_was() -> None:
    for wait, left in ((0.5, 0.98), (15.0, 0.75), (59.0, 0.5), (None, 0.8)):
        pace = Pace()
        pace.answered()
        pace.refused(wait)
        pace.refused(wait)  # of the same moment
        assert pace.part == pytest.approx(left)
    pace = Pace()
    pace.answered()
    pace.refused(15.0, used=0.6)  # there was not more to do
    assert pace.part == pytest.approx(0.6 * 0.75)


def test_at_the_true_limit_few_calls_are_refused_and_little_is_left_unused() -> None:
    pace, refused, used = Pace(), 0, 0.0
    for _ in range(20_000):
        if pace.part > 0.8:
            refused += 1
            pace.refused(1.0)
        used += pace.part / 0.8
        pace.answered()
    assert refused / 20_000 < 0.006
    assert used / 20_000 > 0.97


async def test_the_gate_lets_in_what_the_size_says_in_their_order() -> None:
    size = Adaptive(2, least=1, most=8)
    gate = Gate(size, waiting=lambda: 0, clock=lambda: 0.0)
    inside: list[int] = []
    go = asyncio.Event()

    async def one(number: int) -> None:
        async with gate:
            inside.append(number)
            await go.wait()

    tasks = [asyncio.create_task(one(number)) for number in range(12)]
    await asyncio.sleep(0)
    assert inside == [0, 1]
    tasks[2].cancel()
    tasks[0].cancel()
    for _ in range(3):
        await asyncio.sleep(0)
    assert inside == [0, 1, 3]  # a cancelled one leaves its place, inside or in the queue
    go.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert inside == [0, 1, *range(3, 12)]
    assert size.size > 2


async def test_one_that_is_cancelled_as_it_is_let_in_gives_its_place_on() -> None:
    gate = Gate(Adaptive(1, least=1, most=1), waiting=lambda: 0)
    order: list[str] = []

    async def one(name: str) -> None:
        async with gate:
            order.append(name)

    await gate.__aenter__()
    second, third = (asyncio.create_task(one(name)) for name in ("second", "third"))
    await asyncio.sleep(0)
    await gate.__aexit__(None, None, None)
    second.cancel()
    await asyncio.gather(second, third, return_exceptions=True)
    assert order == ["third"]
