"""How many tickets lie between enrich and Weaviate: a backfill waits while they are many.

Both lanes share the topics behind enrich. A backfill that ran ahead there would make live changes
wait behind it, so its tickets enter only while the way ahead is short.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from schemas.topics import EMBEDDED, ENRICHED

_LOOK_AGAIN_SECONDS = 0.05
_FRESH_SECONDS = 0.01
"""So old may a size be: hundreds of tickets wait at once, and each asks."""


class _Heads(Protocol):
    heads: dict[tuple[str, int], int]


class Backlog:
    """Counts what this worker's partitions hold after enrich.

    ``closed`` says when no backfill may enter that has to be embedded, however short the way is.
    """

    def __init__(self, producer: _Heads, limit: int, closed: Callable[[], bool] = lambda: False) -> None:
        self._producer = producer
        self._limit = limit
        self._closed = closed
        self._open = False
        self._long = False
        self._looked_at = 0.0
        self._released: dict[str, Mapping[tuple[str, int], int]] = {}
        self._entering: Callable[[], int] = lambda: 0

    def watch_entering(self, count: Callable[[], int]) -> None:
        """Name what counts the tickets that have been let in, but are not on the next topic yet."""
        self._entering = count

    def watch(self, topic: str, released: Mapping[tuple[str, int], int]) -> None:
        """Name the offsets a topic's stage has released (kept up to date by the stage)."""
        self._released[topic] = released

    def size(self) -> int:
        """Return the number of messages let in, or sent to the later topics and not yet released there."""
        total = self._entering()
        for topic in (ENRICHED, EMBEDDED):
            for place, released in self._released.get(topic, {}).items():
                total += max(0, self._producer.heads.get(place, 0) - released)
        return total

    async def room(self, *, embeds: bool = True) -> None:
        """Wait until a backfill may send more; ``embeds`` says whether it goes to embed."""
        while not self._open and ((embeds and self._closed()) or self.is_long()):
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    def is_long(self) -> bool:
        """Say whether more than the limit lie on the way."""
        now = time.monotonic()
        if now - self._looked_at >= _FRESH_SECONDS:
            self._long, self._looked_at = self.size() > self._limit, now
        return self._long

    def open(self) -> None:
        """Let everything pass from now on: the worker stops, and finishes what it has begun."""
        self._open = True
