"""Faults of workers: killed, stopped, joining and leaving, frozen."""

from __future__ import annotations

import asyncio
import os
import signal
import time

from scene import Scenario, Scene, until

from schemas.topics import EMBEDDED

SESSION_SECONDS = 10.0
"""How long Kafka waits for a silent worker (agents.app.faust_app)."""


async def kill_the_only_one(scene: Scene) -> None:
    """kill -9, and a new process at once."""
    async for _ in scene.moments():
        (worker,) = scene.workers
        partitions = worker.partitions
        (fresh,) = await scene.restart(worker)
        await scene.resumes(fresh.started, partitions)


async def kill_one_of_two(scene: Scene) -> None:
    """kill -9 of a worker: in turn it is back at once, and only after the other has taken over."""
    await scene.in_turn(_kill_one_and_restart, _kill_one_for_long)


async def _kill_one_and_restart(scene: Scene) -> None:
    worker = scene.chance.choice(scene.workers)
    partitions = worker.partitions
    (fresh,) = await scene.restart(worker)
    await scene.resumes(fresh.started, partitions)
    await scene.shared_out()


async def _kill_one_for_long(scene: Scene) -> None:
    worker = scene.chance.choice(scene.workers)
    partitions = worker.partitions
    worker.kill()
    scene.deaths += 1
    await scene.silence(partitions)
    gone = time.monotonic()
    await scene.resumes(gone, partitions)
    await scene.shared_out()
    scene.start_worker()
    await scene.shared_out()


async def kill_all(scene: Scene) -> None:
    """kill -9 of all workers at the same moment."""
    async for _ in scene.moments():
        partitions = set().union(*(worker.partitions for worker in scene.workers))
        fresh = await scene.restart(*scene.workers)
        await scene.resumes(fresh[0].started, partitions)
        await scene.shared_out()


async def roll(scene: Scene) -> None:
    """SIGTERM and a new process, one worker after the other."""
    async for _ in scene.moments():
        for worker in scene.workers:
            partitions = worker.partitions
            assert await asyncio.to_thread(worker.terminate) == 0
            await scene.silence(partitions)
            fresh = scene.start_worker()
            await scene.resumes(fresh.started, partitions)
            await scene.shared_out()


async def come_and_go(scene: Scene) -> None:
    """Another worker joins, and leaves after a few seconds: killed or asked."""
    async for number in scene.moments():
        guest = scene.start_worker()
        await until(lambda guest=guest: bool(guest.partitions), 60, f"it joins\n{scene.desk.log()}")  # type: ignore[misc]
        partitions = guest.partitions
        await asyncio.sleep(scene.chance.uniform(0, 3))
        if number % 2 == 0:
            await asyncio.to_thread(guest.terminate)
        else:
            guest.kill()
            scene.deaths += 1
        await scene.resumes(time.monotonic(), partitions)
        await scene.shared_out()


async def freeze(scene: Scene) -> None:
    """SIGSTOP for longer than the session, and SIGCONT: a zombie must not write.

    Weaviate is frozen for a moment before, so that the worker has tickets under way to it; while the
    worker is frozen these tickets change, and the other worker indexes the newer versions. What the
    zombie writes when it wakes would be stale.
    """
    await scene.in_turn(_freeze_one)


async def kill_one_and_freeze_one(scene: Scene) -> None:
    """kill -9 of one worker, which is back at once, and another time one that is frozen."""
    await scene.in_turn(_kill_one_and_restart, _freeze_one)


async def _freeze_one(scene: Scene) -> None:
    worker = scene.chance.choice(scene.workers)
    partitions = worker.partitions
    weaviate = scene.desk.service("weaviate")
    weaviate.suspend()
    try:
        await _something_under_way(scene, partitions)
        os.kill(worker.pid, signal.SIGSTOP)
        scene.deaths += 1
    finally:
        weaviate.resume()
    frozen = time.monotonic()
    tickets = scene.pulse.in_flight(EMBEDDED, partitions)
    await asyncio.to_thread(scene.change_each, tickets)
    versions = {number: scene.desk.zendesk.truth_of(number)["generated_timestamp"] for number in tickets}
    await scene.resumes(frozen + SESSION_SECONDS, partitions)

    def newer() -> bool:
        return all(scene.pulse.indexed.get(number, -1) >= when for number, when in versions.items())

    await scene.pulse.wait(newer, 90, f"the other worker has done its work\n{scene.desk.log()}")
    os.kill(worker.pid, signal.SIGCONT)
    await scene.shared_out()
    scene.note = f"{scene.note} {len(tickets)} tickets under way in a frozen worker changed;".strip()


async def _something_under_way(scene: Scene, partitions: set[int]) -> None:
    """Wait until the worker of these partitions has tickets to write that cannot be written."""
    deadline = time.monotonic() + 4
    while time.monotonic() < deadline and len(scene.pulse.in_flight(EMBEDDED, partitions)) < 60:
        await asyncio.sleep(0.1)


SCENARIOS = [
    # In the short form test_pipeline_crashes has the first, and test_rebalances the fourth; the other worker
    # takes over from the one that is frozen.
    Scenario("1", "kill -9 of the only worker", kill_the_only_one, short=False),
    Scenario("2", "kill -9 of one of two workers", kill_one_of_two, workers=2, short=False),
    Scenario("3", "kill -9 of all workers at once", kill_all, workers=2, short=False),
    Scenario("4", "SIGTERM and restart, rolling", roll, workers=2, short=False),
    Scenario("5", "a worker joins and leaves", come_and_go, workers=1, short=False),
    Scenario("12", "a worker frozen past its session", freeze, workers=2, short=False),
    Scenario("2, 12", "a worker killed, then one frozen", kill_one_and_freeze_one, workers=2, full=False),
]
