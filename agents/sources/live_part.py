"""The live source of the connected account, in the worker that has the account's partition."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

import structlog

from agents.app.part import Part

_AGAIN_SECONDS: Final = 5.0


class LivePart(Part):
    """Runs a source while partition ``home`` is here. ``make`` begins it anew, from where its table says."""

    def __init__(self, home: int, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._home = home
        self._make = make
        self._task: asyncio.Task[None] | None = None

    async def take(self, partitions: frozenset[int], gained: frozenset[int]) -> None:
        """Begin anew, if the account's partition is among these; never twice at once."""
        await self._stop()
        if self._home in partitions:
            self._task = asyncio.create_task(self._follow())

    async def let_go(self) -> None:
        """Stop."""
        await self._stop()

    async def finish(self, seconds: float) -> None:
        """Stop: nothing new is begun."""
        await self._stop()

    async def _stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _follow(self) -> None:
        """Run for ever: an error nobody foresaw is logged, and the source starts anew from its table."""
        while True:
            try:
                await self._make()
            except Exception as error:
                structlog.get_logger().error("a source stopped", error=error, exc_info=True)
                await asyncio.sleep(_AGAIN_SECONDS)
