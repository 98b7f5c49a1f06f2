"""The calls that wait for a quota: in their order within a lane, live ones before those of a backfill."""

from __future__ import annotations

import asyncio
from collections import deque

from schemas.lanes import Lane


class Waiter:
    """A call of some amount; ``passed`` is done once it may be made, or nobody waits for it any more."""

    __slots__ = ("amount", "lane", "passed")

    def __init__(self, amount: float, lane: Lane) -> None:
        self.amount = amount
        self.lane = lane
        self.passed: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Waiters:
    """All calls that wait, of both lanes."""

    def __init__(self) -> None:
        self._lanes: dict[Lane, deque[Waiter]] = {"live": deque(), "backfill": deque()}

    def __bool__(self) -> bool:
        return any(self._lanes.values())

    @property
    def count(self) -> int:
        """How many wait still."""
        return sum(not waiter.passed.done() for lane in self._lanes.values() for waiter in lane)

    @property
    def largest(self) -> float:
        """The largest amount at the head of a lane: what a bucket may save up for; 0 when nobody waits."""
        return max((lane[0].amount for lane in self._lanes.values() if lane), default=0.0)

    def add(self, amount: float, lane: Lane) -> Waiter:
        """Have a call wait behind the others of its lane."""
        waiter = Waiter(amount, lane)
        self._lanes[lane].append(waiter)
        return waiter

    def first(self) -> Waiter | None:
        """Return the call whose turn it is; those that were given up are taken out."""
        for lane in self._lanes.values():
            while lane and lane[0].passed.done():
                lane.popleft()
        return next((lane[0] for lane in self._lanes.values() if lane), None)

    def let_pass(self, waiter: Waiter) -> None:
        """Let the call whose turn it is be made."""
        self._lanes[waiter.lane].popleft()
        waiter.passed.set_result(None)
