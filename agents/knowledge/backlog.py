"""How many tickets lie between enrich and Weaviate: a backfill waits while they are many.

Both lanes share the topics after enrich. A backfill that ran ahead on them would make live changes wait
behind it, so a ticket that enrich has finished is sent only while few tickets lie on them, and fewer still
while live changes come. It waits after it is worked on, right before it is sent, and in the order of its
partition. Waiting before the work could be a deadlock: tickets that have room and are finished would wait, in
the order of their partition, for an older one that waits for their room.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from agents.app.part import Part
from schemas.topics import EMBEDDED, ENRICHED
from streams.kafka.positions import Positions

_POLL_ROOM_SECONDS = 0.02
_FRESH_SECONDS = 0.01
"""How long a counted size is used: it is not counted again for every partition that asks."""
_LIVE_SECONDS = 5.0
"""How long after a live change the lower limit holds, for the next one."""


class Backlog(Part):
    """Counts what this worker's partitions hold after enrich.

    A backfill waits at ``limit`` tickets, at ``limit_live`` while live changes come. ``capped`` says that a
    daily cap is reached: then no backfill that has to be embedded is worked on, however few tickets there
    are.
    """

    def __init__(
        self, positions: Positions, limit: int, limit_live: int, capped: Callable[[], bool] = lambda: False
    ) -> None:
        self._positions = positions
        self._limit = limit
        self._limit_live = limit_live
        self._capped = capped
        self._open = False
        self._entering = self._sent = 0
        self._looked_at = self._live_until = 0.0

    def note_live(self) -> None:
        """Note that a live change is on its way."""
        self._live_until = time.monotonic() + _LIVE_SECONDS

    def is_live(self) -> bool:
        """Say whether live changes come."""
        return time.monotonic() < self._live_until

    def size(self) -> int:
        """Return how many messages are being sent, or on the later topics and not yet released there."""
        return self._entering + self._count_sent()

    def _count_sent(self) -> int:
        return self._positions.on_the_way(ENRICHED) + self._positions.on_the_way(EMBEDDED)

    def _room(self) -> int:
        now = time.monotonic()
        if now - self._looked_at >= _FRESH_SECONDS:
            self._sent, self._looked_at = self._count_sent(), now
        return (self._limit_live if self.is_live() else self._limit) - self._sent - self._entering

    def is_long(self) -> bool:
        """Say whether nothing may be sent for now."""
        return self._room() <= 0

    async def wait_while_capped(self, *, embeds: bool = True) -> None:
        """Wait while no backfill may be worked on; ``embeds`` says whether it goes to embed."""
        while not self._open and embeds and self._capped():
            await asyncio.sleep(_POLL_ROOM_SECONDS)

    @asynccontextmanager
    async def room_for(self, wanted: int) -> AsyncIterator[int]:
        """Wait until something may be sent; yields how many messages, at most as many as are wanted."""
        while (room := self._room()) <= 0 and not self._open:
            await asyncio.sleep(_POLL_ROOM_SECONDS)
        some = wanted if self._open else min(wanted, room)
        self._entering += some
        try:
            yield some
        finally:
            self._entering -= some
            self._looked_at = 0.0  # now they count as sent

    async def finish(self, seconds: float) -> None:
        """Let everything pass from now on: the worker stops, and finishes what it has begun."""
        self._open = True
