"""Gate, quota share and pace together, against a service with fixed minutes, on a fake clock."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field

import pytest

from schemas.lanes import Lane
from streams.limits import QuotaShare
from streams.limits.gate import Gate
from streams.limits.in_flight import Adaptive
from streams.testing import VirtualClock

MOST = 400


@dataclass
class Service:
    """Allows ``quota`` calls in each minute; answers after ``latency`` seconds, with ``headers`` or not."""

    clock: VirtualClock
    quota: int
    latency: float
    headers: bool = True
    others: float = 0.0
    """Calls a second that somebody else makes."""
    used: float = 0.0
    window: int = -1
    answered: int = 0
    refused: int = 0
    when: list[float] = field(default_factory=list)
    seen_at: float = 0.0

    def take(self) -> tuple[bool, float, float]:
        """Count a call; returns whether it is taken, what is left, and the seconds until the next minute."""
        now = self.clock.now - 17  # its minutes begin some time before our first call
        window = int(now // 60)
        if window != self.window:
            self.window, self.used, self.seen_at = window, 0.0, window * 60
        self.used = min(self.used + self.others * (now - self.seen_at), self.quota)
        self.seen_at = now
        reset = (window + 1) * 60 - now
        taken = self.used + 1 <= self.quota
        if taken:
            self.used += 1
            self.answered += 1
            self.when.append(self.clock.now)
        else:
            self.refused += 1
        return taken, math.floor(self.quota - self.used), math.ceil(reset)


class Worker:
    """One worker: a crowd of tickets at a gate, each of which makes a call, until it is answered."""

    def __init__(
        self, service: Service, told: int, start: int, *, share: int = 1, of: int = 1, lane: Lane = "backfill"
    ) -> None:
        clock = service.clock
        self.clock, self.service, self.lane = clock, service, lane
        self.limit = QuotaShare(told, of, clock=clock.clock, sleep=clock.sleep)
        self.limit.own(share)
        self.size = Adaptive(start, least=1, most=MOST)
        self.gate = Gate(self.size, waiting=lambda: self.limit.waiting, clock=clock.clock)
        self.in_flight = 0
        self.tasks = [asyncio.create_task(self.ticket()) for _ in range(MOST + 50)]

    async def ticket(self) -> None:
        while True:
            async with self.gate:
                await self.call()

    async def call(self) -> None:
        while True:
            await self.limit.acquire(lane=self.lane)
            self.in_flight += 1
            taken, left, reset = self.service.take()
            await self.clock.sleep(self.service.latency)
            self.in_flight -= 1
            if taken:
                self.limit.answered(0 if self.service.headers else self.in_flight)
            if self.service.headers:
                self.limit.observe(left, reset, in_flight=self.in_flight, age=self.service.latency)
            if taken:
                return
            self.limit.refused(reset)
            self.gate.refused()
            await self.clock.sleep(reset)

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def reached(service: Service, workers: list[Worker], seconds: float) -> tuple[float, float]:
    """Return the share of the quota that is left to us, and the share of the calls refused."""
    clock = service.clock
    answered, refused = service.answered, service.refused
    await clock.run(asyncio.Event().wait(), until=clock.now + seconds)
    ours = service.answered - answered
    refused = service.refused - refused
    return ours / ((service.quota / 60 - service.others) * seconds), refused / max(ours + refused, 1)


def crowd(
    *, quota: int, start: int, latency: float, told: int = 0, headers: bool = True, others: float = 0.0
) -> tuple[Service, list[Worker]]:
    """Two workers, each with half of the partitions."""
    service = Service(VirtualClock(), quota, latency, headers, others)
    return service, [Worker(service, told or quota, start, share=4, of=8) for _ in range(2)]


async def stop(workers: list[Worker]) -> None:
    for worker in workers:
        await worker.stop()


@pytest.mark.parametrize("start", [1, 50, 400])
@pytest.mark.parametrize(("quota", "latency", "seconds"), [(200, 0.3, 60), (700, 2.0, 60), (2_500, 1.0, 20)])
async def test_from_any_start_nearly_all_of_the_quota_is_used(
    quota: int, latency: float, seconds: float, start: int
) -> None:
    service, workers = crowd(quota=quota, start=start, latency=latency)
    await reached(service, workers, 20)  # the way up
    share, refused = await reached(service, workers, seconds)
    assert share >= 0.95 and refused == 0
    assert all(worker.limit.part == 1 for worker in workers)
    needed = quota / 60 / 2 * latency
    if start <= needed:
        assert all(needed <= worker.size.size <= 5 * needed + 5 for worker in workers)
    await stop(workers)


@pytest.mark.parametrize("latency", [0.1, 1.0])
@pytest.mark.parametrize("told", [440, 700, 1_200])
async def test_an_account_that_allows_less_than_the_settings_say(told: int, latency: float) -> None:
    service, workers = crowd(quota=400, start=50, latency=latency, told=told)
    await reached(service, workers, 60)
    share, refused = await reached(service, workers, 180)
    assert share >= 0.95 and refused < 0.01
    await stop(workers)


@pytest.mark.parametrize("latency", [0.1, 1.0])
@pytest.mark.parametrize("told", [440, 1_200])
async def test_a_service_that_says_nothing_but_no(told: int, latency: float) -> None:
    service, workers = crowd(quota=400, start=50, latency=latency, told=told, headers=False)
    await reached(service, workers, 180)
    share, refused = await reached(service, workers, 300)
    assert share >= 0.95 and refused < 0.01
    await stop(workers)


@pytest.mark.parametrize("headers", [True, False])
async def test_somebody_else_takes_half_for_a_while(headers: bool) -> None:
    service, workers = crowd(quota=400, start=50, latency=0.2, headers=headers, others=400 / 60 / 2)
    await reached(service, workers, 60)
    share, refused = await reached(service, workers, 180)
    assert share >= 0.95 and refused < 0.015
    service.others = 0.0
    await reached(service, workers, 480)
    share, refused = await reached(service, workers, 60)
    assert share >= 0.95 and refused < 0.01  # it has come back up
    await stop(workers)


async def test_live_calls_pass_while_a_backfill_is_refused_and_fits_itself() -> None:
    service, workers = crowd(quota=400, start=50, latency=0.2, told=600)
    live = Worker(service, 600, 1, share=4, of=8, lane="live")
    for task in live.tasks:
        task.cancel()
    live.limit = workers[0].limit
    await reached(service, workers, 120)
    waits = []
    for _ in range(20):
        await service.clock.run(service.clock.sleep(3.1))
        started = service.clock.now
        await service.clock.run(live.call())
        waits.append(service.clock.now - started)
    assert sorted(waits)[15] < 1
    await stop(workers)


async def test_a_worker_that_may_have_lost_its_partitions_calls_nobody() -> None:
    clock = VirtualClock()
    owns = True
    limit = QuotaShare(600, 1, owns=lambda: owns, clock=clock.clock, sleep=clock.sleep)
    limit.own(1)
    await clock.run(limit.acquire())
    owns = False
    waiting = [asyncio.create_task(limit.acquire(lane=lane)) for lane in ("live", "backfill")]  # type: ignore[arg-type]
    await clock.run(clock.sleep(30))
    assert not any(task.done() for task in waiting) and limit.waiting == 2
    owns = True
    await clock.run(asyncio.gather(*waiting))
    assert limit.acquired_total == 3
