"""How many tickets lie between enrich and Weaviate: a backfill waits while they are many.

Both lanes share the topics behind enrich. A backfill that ran ahead there would make live changes
wait behind it, so its tickets enter only while the way ahead is short, and shorter still while live
changes come.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

from agents.outcomes import Incoming
from schemas.topics import EMBEDDED, ENRICHED

_LOOK_AGAIN_SECONDS = 0.05
_FRESH_SECONDS = 0.01
"""So old may a size be: hundreds of tickets wait at once, and each asks."""
_LIVE_SECONDS = 5.0
"""So long a live change keeps the way short for the next one."""


class _Heads(Protocol):
    heads: dict[tuple[str, int], int]


class Backlog:
    """Counts what this worker's partitions hold after enrich.

    ``limit`` tickets are many, ``limit_live`` while live changes come. ``closed`` says when no backfill may
    enter that has to be embedded, however short the way is.
    """

    def __init__(
        self, producer: _Heads, limit: int, limit_live: int, closed: Callable[[], bool] = lambda: False
    ) -> None:
        self._producer = producer
        self._limit = limit
        self._limit_live = limit_live
        self._closed = closed
        self._open = False
        self._inside = self._sent = 0
        self._looked_at = self._live_until = 0.0
        self._released: dict[str, Mapping[tuple[str, int], int]] = {}
        self._entering: Callable[[], int] = lambda: 0
        self._is_next: Callable[[Incoming], bool] = lambda _: False

    def watch_entering(self, count: Callable[[], int], is_next: Callable[[Incoming], bool]) -> None:
        """Name what counts the tickets that enrich has finished, but not sent yet.

        ``is_next`` knows the ticket that those behind it in its partition wait for, to be sent in order.
        """
        self._entering = count
        self._is_next = is_next

    def live(self) -> None:
        """Note that a live change is on its way."""
        self._live_until = time.monotonic() + _LIVE_SECONDS

    def is_live(self) -> bool:
        """Say whether live changes come."""
        return time.monotonic() < self._live_until

    def watch(self, topic: str, released: Mapping[tuple[str, int], int]) -> None:
        """Name the offsets a topic's stage has released (kept up to date by the stage)."""
        self._released[topic] = released

    def size(self) -> int:
        """Return the number of messages let in, or sent to the later topics and not yet released there."""
        return self._let_in + self._count_sent()

    @property
    def _let_in(self) -> int:
        return self._inside + self._entering()

    def _count_sent(self) -> int:
        total = 0
        for topic in (ENRICHED, EMBEDDED):
            for place, released in self._released.get(topic, {}).items():
                total += max(0, self._producer.heads.get(place, 0) - released)
        return total

    @asynccontextmanager
    async def room(self, message: Incoming, *, embeds: bool = True) -> AsyncIterator[None]:
        """Wait until a backfill may send this message, then count it until enrich has finished it.

        ``embeds`` says whether it goes to embed.
        """
        while not self._open and ((embeds and self._closed()) or not self._has_room(message)):
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    def _has_room(self, message: Incoming) -> bool:
        if not self.is_long():
            return True
        # Those let in before it, which count, are sent only behind it: they must not keep it out.
        return self._sent <= self._most and self._is_next(message)

    @property
    def _most(self) -> int:
        return self._limit_live if self.is_live() else self._limit

    def is_long(self) -> bool:
        """Say whether more than the limit lie on the way."""
        now = time.monotonic()
        if now - self._looked_at >= _FRESH_SECONDS:
            self._sent, self._looked_at = self._count_sent(), now
        return self._sent + self._let_in > self._most

    def open(self) -> None:
        """Let everything pass from now on: the worker stops, and finishes what it has begun."""
        self._open = True
