"""Workers come, go, die and come back in the middle of an import: the quota is kept all the while."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations

from conftest import OpenDesk
from harness import Desk, settings_of, until

from schemas.settings.load import PREFIX

TICKETS = 640
A_SECOND = 40
PARTITIONS = 8
WINDOW_SECONDS = 5
"""Stands for the minute: at a steady rate, what holds in every five seconds holds in every minute."""
BURST_SECONDS = 0.5
"""What a worker may make up for at once, see QuotaShare."""
STARTS = 4
"""Processes started in this test; each begins with one call in hand."""


class Calls:
    """How many calls the account has had, looked at all the time."""

    def __init__(self, desk: Desk) -> None:
        self.looks: list[tuple[float, float, int]] = []
        """Seconds before and after a look, and the calls it saw."""
        self._zendesk = desk.zendesk
        self._ended = threading.Event()

    def _look(self) -> None:
        while not self._ended.wait(0.25):
            before = time.monotonic()
            calls = self._zendesk.stats()["calls"]
            self.looks.append((before, time.monotonic(), calls))

    @contextmanager
    def watched(self) -> Iterator[None]:
        thread = threading.Thread(target=self._look)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def over(self, a_second: float, burst: float) -> list[str]:
        """Return the windows with more calls than the rate allows; a length that is unsure counts in full."""
        return [
            f"{last[2] - first[2]} calls in {last[1] - first[0]:.2f} s"
            for first, last in combinations(self.looks, 2)
            if last[0] - first[1] <= WINDOW_SECONDS
            and last[2] - first[2] > (last[1] - first[0]) * a_second + burst
        ]


async def test_the_quota_is_kept_while_workers_come_and_go(open_desk: OpenDesk) -> None:
    desk = open_desk(TICKETS)  # without limits of its own: nothing but the workers keeps them to the quota
    desk.environment |= {
        f"{PREFIX}KAFKA__PARTITIONS": str(PARTITIONS),
        f"{PREFIX}ZENDESK__REQUESTS_PER_MINUTE": str(60 * A_SECOND),
        f"{PREFIX}ZENDESK__INCREMENTAL_REQUESTS_PER_MINUTE": "60",
        f"{PREFIX}ZENDESK__POLL_SECONDS": "600",
    }
    desk.settings = settings_of(desk.environment)
    desk.partitions = PARTITIONS

    async def indexed(share: float) -> None:
        await desk.received(lambda receipts: len(receipts) >= share * TICKETS)

    async def members(count: int) -> None:
        async def there() -> bool:
            return await desk.members() == count

        await until(there, 60, f"{count} workers in the group")

    async def in_its_place() -> bool:
        return '"partitions assigned", "worker": 0' in desk.log()[seen:]

    first = desk.worker()
    await members(1)
    calls = Calls(desk)
    with calls.watched():
        import_id = await desk.begin_import()
        await indexed(0.1)
        second = desk.worker()
        await members(2)
        await indexed(0.35)
        first.kill()
        seen = len(desk.log())
        desk.worker()
        await until(in_its_place, 60, "a worker in the place of the killed one")
        await indexed(0.6)
        assert await asyncio.to_thread(second.terminate) == 0
        assert await desk.members() == 1  # it has left: its partitions do not wait for it
        desk.worker()
        record = await desk.import_state(import_id)
    assert record.status == "completed"
    assert calls.looks[-1][2] >= TICKETS * 0.9
    assert calls.over(A_SECOND, BURST_SECONDS * A_SECOND + STARTS) == []
    assert calls.over(A_SECOND / 2, 0), "the import was too slow for the quota to matter"
