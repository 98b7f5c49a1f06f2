"""Time and turns of the event loop in tests."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from streams.retries import RetryPolicy

T = TypeVar("T")

AT_ONCE: Final = RetryPolicy(factor=0)
"""Tries again without a pause."""


async def settle(turns: int = 30) -> None:
    """Let everything run that need not wait, for so many turns of the event loop."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def until(condition: Callable[[], Any], seconds: float = 5.0) -> None:
    """Wait until a condition holds; raises TimeoutError when it takes longer than so many seconds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.001)


class VirtualClock:
    """Time that passes only when everybody sleeps; unlike the real one it never passes by itself.

    Pass ``clock`` (seconds, like ``time.time`` or ``time.monotonic``) and ``sleep`` to what is tested, and
    drive it with ``run``.
    """

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = itertools.count()

    def clock(self) -> float:
        """Return the time in seconds."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Wait until ``run`` has let so many seconds pass."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + max(seconds, 0.0), next(self._count), future))
        await future

    async def settle(self) -> None:
        """Let everything run that need not wait."""
        for _ in range(12):
            await asyncio.sleep(0)

    async def run(self, awaitable: Awaitable[T], until: float | None = None) -> T | None:
        """Let time pass until the awaitable is done, and return its result.

        At the time ``until`` it is cancelled, and None returned. Raises AssertionError when it waits and
        nobody sleeps: no time that passes would end that.
        """
        task = asyncio.ensure_future(awaitable)
        while True:
            await self.settle()
            if task.done():
                return task.result()
            while self._sleepers and self._sleepers[0][2].done():
                heapq.heappop(self._sleepers)
            if not self._sleepers:
                task.cancel()
                raise AssertionError("everybody waits, and nobody sleeps")
            when, _, future = self._sleepers[0]
            if until is not None and when > until:
                self.now = until
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                return None
            heapq.heappop(self._sleepers)
            self.now = max(self.now, when)
            future.set_result(None)
