"""Many callers, few calls: everybody gets what is theirs, and only that."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.testing import settle
from streams.windows.calls import Failed, WindowedCalls

FOREVER = 3600.0


class Service:
    """Doubles numbers; holds its calls while the gate is shut."""

    def __init__(self) -> None:
        self.windows: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.running = 0
        self.most_running = 0
        self.started = asyncio.Condition()
        self.bad: set[int] = set()
        self.refused: set[int] = set()

    async def __call__(self, window: list[int]) -> Sequence[int | Failed]:
        self.windows.append(window)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        async with self.started:
            self.started.notify_all()
        try:
            await self.gate.wait()
        finally:
            self.running -= 1
        if self.bad & set(window):
            raise ValueError(f"bad window {window}")
        return [Failed(KeyError(n)) if n in self.refused else 2 * n for n in window]

    async def until_called(self, times: int) -> None:
        async with asyncio.timeout(5), self.started:
            await self.started.wait_for(lambda: len(self.windows) >= times)


def calls(service: Service, **options: Any) -> WindowedCalls[int, int]:
    return WindowedCalls(service, **{"max_items": 4, "max_seconds": FOREVER, "in_flight": 2} | options)


async def submit_all(windowed: WindowedCalls[int, int], batches: list[list[int]]) -> list[Any]:
    tasks = [asyncio.create_task(windowed.submit(batch)) for batch in batches]
    await settle()
    windowed.flush()
    return await asyncio.gather(*tasks, return_exceptions=True)


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 9), max_size=12),
    max_items=st.integers(1, 5),
    in_flight=st.integers(1, 3),
    max_queued=st.integers(1, 8),
)
def test_every_caller_gets_its_own_results_in_its_order(
    sizes: list[int], max_items: int, in_flight: int, max_queued: int
) -> None:
    async def run() -> None:
        service = Service()
        windowed = calls(
            service, max_items=max_items, in_flight=in_flight, max_queued=max_queued, max_seconds=0.001
        )
        batches, n = [], 0
        for size in sizes:
            batches.append(list(range(n, n + size)))
            n += size
        results = await submit_all(windowed, batches)
        assert results == [[2 * item for item in batch] for batch in batches]
        assert sorted(item for window in service.windows for item in window) == list(range(n))
        assert all(len(window) <= max_items for window in service.windows)
        assert service.most_running <= in_flight
        await windowed.close()

    asyncio.run(run())


async def test_items_of_many_callers_share_a_call() -> None:
    service = Service()
    windowed = calls(service)
    assert await submit_all(windowed, [[1], [2, 3], [4]]) == [[2], [4, 6], [8]]
    assert service.windows == [[1, 2, 3, 4]]


async def test_a_window_leaves_when_its_time_is_over() -> None:
    service = Service()
    windowed = calls(service, max_seconds=0.02)
    began = asyncio.get_running_loop().time()
    assert await windowed.submit([1]) == [2]
    assert 0.015 < asyncio.get_running_loop().time() - began < 2


async def test_weight_closes_a_window() -> None:
    service = Service()
    windowed = calls(service, max_items=100, max_weight=10, weight=float)
    results = await submit_all(windowed, [[4], [5], [6], [3]])
    assert results == [[8], [10], [12], [6]]
    assert service.windows == [[4, 5], [6, 3]]


async def test_while_all_slots_are_taken_the_next_window_fills_up() -> None:
    service = Service()
    windowed = calls(service, in_flight=1, max_seconds=0)
    service.gate.clear()
    tasks = [asyncio.create_task(windowed.submit([n])) for n in range(6)]
    await service.until_called(1)
    await settle()
    assert service.windows == [[0]]
    service.gate.set()
    assert await asyncio.gather(*tasks) == [[2 * n] for n in range(6)]
    assert service.windows == [[0], [1, 2, 3, 4], [5]]


async def test_a_live_item_overtakes_backfill_and_does_not_wait_for_its_slots() -> None:
    service = Service()
    windowed = calls(service, in_flight=1, live_seconds=0)
    service.gate.clear()
    backfill = [asyncio.create_task(windowed.submit([n, n, n, n])) for n in (1, 2)]
    await service.until_called(1)
    live = asyncio.create_task(windowed.submit([9], lane="live"))
    await service.until_called(2)
    assert service.windows == [[1, 1, 1, 1], [9]]
    service.gate.set()
    assert await live == [18]
    await asyncio.gather(*backfill)


async def test_submit_waits_when_too_much_is_queued() -> None:
    service = Service()
    windowed = calls(service, in_flight=1, max_queued=4)
    service.gate.clear()
    tasks = [asyncio.create_task(windowed.submit([n] * 4)) for n in range(5)]
    await service.until_called(1)
    await settle()
    backfill = windowed._lanes["backfill"]
    assert len(backfill.buffer) == 4
    # Back-pressure in one lane holds up nobody in the other.
    service.gate.set()
    assert await asyncio.gather(*tasks) == [[2 * n] * 4 for n in range(5)]


async def test_an_error_reaches_the_callers_of_its_window_only() -> None:
    service = Service()
    service.bad = {3}
    windowed = calls(service)
    first, second, third, fourth = await submit_all(windowed, [[1, 2], [3], [4, 5], [6, 7]])
    assert first.args == second.args == third.args == ("bad window [1, 2, 3, 4]",)
    assert fourth == [12, 14]
    assert 5 not in [item for window in service.windows for item in window]


async def test_a_failed_item_fails_its_caller_and_no_other() -> None:
    service = Service()
    service.refused = {2}
    windowed = calls(service)
    first, second, third = await submit_all(windowed, [[1], [2, 3], [4]])
    assert (first, third) == ([2], [8])
    assert isinstance(second, KeyError)


async def test_a_wrong_number_of_results_is_an_error() -> None:
    async def short(window: list[int]) -> list[int]:
        return window[:-1]

    windowed: WindowedCalls[int, int] = WindowedCalls(short, max_items=2)
    with pytest.raises(RuntimeError, match="2 items with 1 results"):
        await windowed.submit([1, 2])


async def test_cancelling_a_caller_harms_no_other_and_saves_its_work() -> None:
    service = Service()
    windowed = calls(service, in_flight=1)
    service.gate.clear()
    tasks = [asyncio.create_task(windowed.submit(batch)) for batch in ([1, 2, 3], [4, 5, 6], [7])]
    await service.until_called(1)
    await settle()
    tasks[1].cancel()
    await settle()
    service.gate.set()
    windowed.flush()
    assert await tasks[0] == [2, 4, 6]
    assert await tasks[2] == [14]
    with pytest.raises(asyncio.CancelledError):
        await tasks[1]
    assert service.windows == [[1, 2, 3, 4], [7]]


async def test_cancelling_a_caller_that_waits_for_room_lets_the_next_one_in() -> None:
    service = Service()
    windowed = calls(service, in_flight=1, max_queued=4)
    service.gate.clear()
    tasks = [asyncio.create_task(windowed.submit([n] * 4)) for n in range(4)]
    await service.until_called(1)
    await settle()
    tasks[2].cancel()
    await settle()
    service.gate.set()
    windowed.flush()
    assert await tasks[0] == [0] * 4
    assert await tasks[1] == [2] * 4
    assert await tasks[3] == [6] * 4


async def test_close_finishes_what_waits_and_takes_nothing_more() -> None:
    service = Service()
    windowed = calls(service)
    task = asyncio.create_task(windowed.submit([1]))
    await settle()
    await windowed.close()
    assert await task == [2]
    with pytest.raises(RuntimeError, match="closed"):
        await windowed.submit([1])


async def test_close_with_a_timeout_cancels_what_hangs() -> None:
    service = Service()
    windowed = calls(service, in_flight=1)
    service.gate.clear()
    tasks = [asyncio.create_task(windowed.submit([n] * 4)) for n in range(2)]
    await service.until_called(1)
    await windowed.close(timeout=0.01)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)
    assert service.running == 0


async def test_a_call_for_many_carries_nothing_of_one_along() -> None:
    ticket: contextvars.ContextVar[int] = contextvars.ContextVar("ticket")
    seen = []

    async def call(items: list[int]) -> list[int]:
        seen.append(ticket.get(0))
        return items

    calls: WindowedCalls[int, int] = WindowedCalls(call, max_items=2, max_seconds=0)

    async def submit(number: int) -> None:
        ticket.set(number)
        await calls.submit([number])

    await asyncio.gather(submit(1), submit(2))
    await calls.close()
    assert set(seen) == {0}
