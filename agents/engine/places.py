"""A message's place among those that are worked on at once; the message gives it up while it only waits.

A message that is tried again waits for seconds between its tries. If it kept its place meanwhile, a few
messages that fail would keep all healthy ones from being worked on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Final, Self

from streams.limits.gate import Gate

_CURRENT: Final[ContextVar[Place | None]] = ContextVar("place", default=None)


class Place:
    """A message's place inside a gate or a semaphore; ``async with place``.

    ``resting`` is the set of the places that are given up at the moment.
    """

    __slots__ = ("_door", "_held", "_open", "_resting", "_resting_now")

    def __init__(self, door: Gate | asyncio.Semaphore, resting: set[Place] | None = None) -> None:
        self._door = door
        self._resting_now: set[Place] = set() if resting is None else resting
        self._open = self._held = False
        self._resting = 0

    async def __aenter__(self) -> Self:
        await self._door.__aenter__()
        self._open = self._held = True
        _CURRENT.set(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open = False
        self._resting_now.discard(self)
        if self._held:
            self._held = False
            await self._door.__aexit__(kind, error, trace)

    @asynccontextmanager
    async def given_up(self) -> AsyncIterator[None]:
        """Let another message have the place meanwhile; it is taken back before new messages may begin.

        When several tasks of one message wait at the same time, its place is given up once.
        """
        door = self._door
        if not self._open or not isinstance(door, Gate):
            yield  # a semaphore has a place for every message that is held; or the message is done
            return
        self._resting += 1
        if self._held:
            self._held = False
            self._resting_now.add(self)
            door.step_out()
        try:
            yield
        finally:
            self._resting -= 1
        # A task that is cancelled while it waits does not come here: it needs no place any more.
        if self._open and not self._resting and not self._held:
            await door.step_in()
            if self._held or self._resting or not self._open:
                door.step_out()
            else:
                self._held = True
                self._resting_now.discard(self)


@asynccontextmanager
async def place_given_up() -> AsyncIterator[None]:
    """Give up the place of the message that this task works on, inside this context."""
    place = _CURRENT.get()
    if place is None:
        yield
        return
    async with place.given_up():
        yield


async def rest(seconds: float) -> None:
    """Sleep; the message at hand gives up its place meanwhile."""
    async with place_given_up():
        await asyncio.sleep(seconds)
