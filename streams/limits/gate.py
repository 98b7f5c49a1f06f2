"""A gate that lets as many in as an adaptive size says."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from streams.limits.in_flight import Adaptive


class Gate:
    """``async with gate``: waits while ``size`` are inside; first come, first served. One event loop only.

    ``waiting`` tells how many of those inside wait for quota, see Adaptive.
    """

    def __init__(
        self,
        size: Adaptive,
        *,
        waiting: Callable[[], int | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._size = size
        self._waiting = waiting
        self._clock = clock
        self._inside = 0
        self._queue: deque[asyncio.Future[None]] = deque()
        self._returning: deque[asyncio.Future[None]] = deque()

    @property
    def size(self) -> int:
        """How many may be inside."""
        return self._size.size

    def refused(self) -> None:
        """Note that the service behind has had too much."""
        self._size.refused()

    async def __aenter__(self) -> Self:
        await self._enter(self._queue)
        return self

    def step_out(self) -> None:
        """Leave for a while, to wait for something: others may be inside meanwhile."""
        self._leave()

    async def step_in(self) -> None:
        """Come back after ``step_out``, before all who have not been inside yet."""
        await self._enter(self._returning)

    async def _enter(self, queue: deque[asyncio.Future[None]]) -> None:
        waiting = self._returning if queue is self._returning else self._returning or self._queue
        if self._inside < self.size and not waiting:
            self._inside += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()  # it was let in at the same moment
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            wanted = any(not turn.done() for turn in self._queue)
            self._size.ended(self._clock(), wanted=wanted, waiting=self._waiting())
        self._leave()

    def _leave(self) -> None:
        self._inside -= 1
        for queue in (self._returning, self._queue):
            while queue and (self._inside < self.size or queue[0].done()):
                turn = queue.popleft()
                if not turn.done():
                    self._inside += 1
                    turn.set_result(None)
