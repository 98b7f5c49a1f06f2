"""The follower, the looks at services and the broadcast, run together."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import structlog

from schemas.settings.load import Settings
from streams.search.searcher import Searcher
from ticketstream.operations.imports.steering import NO_WORKER
from ticketstream.operations.watch.broadcast import Broadcast
from ticketstream.operations.watch.follower import EVERY_SECONDS, Follower
from ticketstream.operations.watch.overview import overview
from ticketstream.operations.watch.services import Services
from ticketstream.operations.watch.troubles import words_of


class Watch:
    """Makes the overview once a second and tells all watchers; ``run`` goes on until it is cancelled."""

    def __init__(self, settings: Settings, searcher: Searcher) -> None:
        self.follower = Follower(settings)
        self.services = Services(settings, searcher)
        self.broadcast = Broadcast()
        self._settings = settings

    async def run(self) -> None:
        """Follow, look and tell for ever."""
        # A group waits until all have let go of what they hold; a gather does not.
        async with asyncio.TaskGroup() as group:
            for work in (self.follower.run(), self.services.run(), self._tell()):
                group.create_task(work)

    def overview(self) -> dict[str, Any]:
        """Return the overview as it is now."""
        services = self.services
        return overview(
            self.follower,
            self._settings,
            chunks=services.chunks,
            away=services.away,
            login=services.login_state(),
        )

    def dependencies(self) -> dict[str, str | None]:
        """Return each thing the pipeline stands on, with why it is not ready, or None."""
        follower = self.follower
        workers = None if follower.workers else NO_WORKER
        trouble = follower.trouble
        return {
            "kafka": follower.away or None,
            "workers": "not known while Kafka is away" if follower.away else workers,
            **self.services.reasons,
            **({} if trouble is None or follower.away else {"zendesk": words_of(trouble)}),
        }

    async def _tell(self) -> None:
        log = structlog.get_logger()
        while True:
            try:
                points = [msgspec.structs.asdict(point) for point in self.follower.take_points()]
                self.broadcast.publish(self.overview(), points)
            except Exception:  # or nobody would be told any more
                log.exception("the overview cannot be made")
            await asyncio.sleep(EVERY_SECONDS)
