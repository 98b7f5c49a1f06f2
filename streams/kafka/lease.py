"""The lease: for how long a worker may take its partitions to be its own.

Kafka gives the partitions of a worker it has not heard of for a session's time to another one. A
worker that was frozen, or cut off, does not know: what it had begun would overwrite what the other
has written since. So every effect asks first, and waits when the last word from Kafka is too old: until
Kafka answers again, or until the partitions are found to be lost and what was begun is dropped.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

_MARGIN = 0.9
"""Of the session: the broker's clock for it starts when the heartbeat arrives, ours when it leaves."""
_LOOK_SECONDS = 0.05


class Lease:
    """Held for a part of ``session`` seconds after each sign of life that Kafka has accepted.

    Signs of life come from Kafka's consumer thread, effects from the event loop.
    """

    def __init__(self, session: float) -> None:
        self._seconds = session * _MARGIN
        self._until = float("-inf")

    def renew(self, sent: float) -> None:
        """Note that Kafka accepted a sign of life that left at ``sent`` (``time.monotonic``)."""
        self._until = max(self._until, sent + self._seconds)

    def drop(self) -> None:
        """Note that Kafka no longer knows this worker."""
        self._until = float("-inf")

    @property
    def held(self) -> bool:
        """Whether the partitions are this worker's for certain."""
        return time.monotonic() < self._until

    async def wait(self, unless: Callable[[], bool] = lambda: False) -> float:
        """Return at once while it is held, else once it is held again, or ``unless`` holds.

        Returns for how many seconds it will be held without another sign of life.
        """
        while not (self.held or unless()):
            await asyncio.sleep(_LOOK_SECONDS)
        return max(0.0, self._until - time.monotonic())
