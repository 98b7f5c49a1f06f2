"""What has been done already, remembered for a while; what is being done, waited for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from cachetools import TTLCache


class Repeats:
    """Does a thing of a name once.

    At most ``size`` names are remembered, each for ``seconds``. Only what succeeded is: what failed is
    done again when it comes again.
    """

    def __init__(
        self, *, size: int = 100_000, seconds: float = 3600.0, timer: Callable[[], float] = time.monotonic
    ) -> None:
        self._done: TTLCache[str, None] = TTLCache(size, seconds, timer)
        self._running: dict[str, asyncio.Task[None]] = {}

    async def once(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        """Do the work; returns whether it was needed.

        A name whose work is under way waits for it. Raises what the work raises, for all who wait.
        """
        if name in self._done:
            return False
        running = self._running.get(name)
        if running is not None:
            await asyncio.shield(running)
            return False
        # A task of its own: whoever came first may go away, and others wait for it too.
        task = self._running[name] = asyncio.create_task(work())
        task.add_done_callback(lambda ended: self._ended(name, ended))
        await asyncio.shield(task)
        return True

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        del self._running[name]
        if not task.cancelled() and task.exception() is None:
            self._done[name] = None
