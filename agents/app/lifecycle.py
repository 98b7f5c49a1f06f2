"""The life of a worker: its parts are opened, given partitions, let them go, and are closed, in one order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

import structlog

from agents.app.part import Part
from streams.kafka.lease import Lease

_LAST_WORDS_SECONDS: Final = 5.0


class Member(Protocol):
    """What is asked of the Faust app: its membership of the group, and when that changes."""

    on_partitions_revoked: Any
    on_rebalance_complete: Any
    on_before_shutdown: Any
    consumer: Any
    tables: Any
    lease: Lease
    rebalancing: bool
    stays: bool


class Lifecycle:
    """Calls the verbs of a worker's parts (see agents.app.part) at Faust's signals.

    ``of_all`` is the number of partitions there are; ``patience`` returns how many seconds a worker that
    stops waits for what was begun.
    """

    def __init__(
        self, app: Member, parts: Sequence[Part], *, of_all: int, patience: Callable[[], float]
    ) -> None:
        self._app = app
        self._parts = tuple(parts)
        self._of_all = of_all
        self._patience = patience
        self._owned: frozenset[int] = frozenset()
        self._opened: list[Part] = []
        self._running: list[asyncio.Task[None]] = []
        app.on_partitions_revoked.connect(self._revoked)
        app.on_rebalance_complete.connect(self._assigned)
        app.on_before_shutdown.connect(self._stopped)

    async def open(self) -> None:
        """Open all parts, and start what they run; Faust calls it before any message flows."""
        for part in self._parts:
            self._opened.append(part)
            await part.open()
        self._running = [
            asyncio.create_task(part.run()) for part in self._parts if type(part).run is not Part.run
        ]

    async def _assigned(self, *_: Any, **__: Any) -> None:
        tables = self._app.tables.changelog_topics
        places = self._app.consumer.assignment()
        partitions = frozenset(place.partition for place in places if place.topic not in tables)
        structlog.get_logger().info("partitions assigned", partitions=sorted(partitions))
        gained, self._owned = partitions - self._owned, partitions
        for part in self._opened:
            await part.take(partitions, gained)

    async def _revoked(self, *_: Any, **__: Any) -> None:
        for part in reversed(self._opened):
            await part.let_go()
        if not self._app.lease.held:
            # The lease was lost, so another worker may have had the partitions and died amid a write. If they
            # come back they must count as gained, for the parts to check what that worker left.
            self._owned = frozenset()

    async def _stopped(self, *_: Any, **__: Any) -> None:
        """Finish what is in flight, so that nothing has to be done again, and close everything."""
        await asyncio.gather(*(part.finish(self._patience()) for part in reversed(self._opened)))
        # While Kafka is away these calls would wait for it. What they do not send is done again after a
        # start.
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                for part in self._opened:
                    await part.tell()
                await self._app.consumer.commit()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._revoked()
        await self._hand_over()
        for part in reversed(self._opened):
            await part.close()

    async def _hand_over(self) -> None:
        """Leave the group, so that others get the partitions at once; a worker that is alone keeps them."""
        others = self._app.rebalancing or 0 < len(self._owned) < self._of_all
        if self._app.stays or not others:
            return
        with suppress(TimeoutError):  # with Kafka away, the session ends by itself
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                await self._app.consumer.leave()
