"""A gate that lets as many in as an adaptive size says."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from streams.limits.adaptive import Adaptive


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

    @property
    def size(self) -> int:
        """How many may be inside."""
        return self._size.size

    def refused(self) -> None:
        """Note that the service behind has had too much."""
        self._size.refused()

    async def __aenter__(self) -> Self:
        if self._inside < self.size and not self._queue:
            self._inside += 1
            return self
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()  # it was let in at the same moment
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            wanted = any(not turn.done() for turn in self._queue)
            self._size.ended(self._clock(), wanted=wanted, waiting=self._waiting())
        self._leave()

    def _leave(self) -> None:
        self._inside -= 1
        while self._queue and (self._inside < self.size or self._queue[0].done()):
            turn = self._queue.popleft()
            if not turn.done():
                self._inside += 1
                turn.set_result(None)
