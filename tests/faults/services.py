"""Faults of services: killed, cut off."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cut import Cable
from scene import Scenario, Scene


async def kill_kafka(scene: Scene) -> None:
    """kill -9 of the broker; the stack's supervisor starts it again."""
    await scene.in_turn(_kill_kafka)


async def _kill_kafka(scene: Scene) -> None:
    await asyncio.to_thread(scene.desk.kill_service, "kafka")
    await scene.resumes(time.monotonic(), range(scene.desk.partitions))
    scene.deaths += len(scene.workers)


async def kill_weaviate(scene: Scene) -> None:
    """kill -9 of Weaviate; the stack's supervisor starts it again."""
    await scene.in_turn(_kill_weaviate)


async def _kill_weaviate(scene: Scene) -> None:
    await asyncio.to_thread(scene.desk.kill_service, "weaviate")
    await scene.resumes(time.monotonic(), range(scene.desk.partitions))


async def kill_both(scene: Scene) -> None:
    """kill -9 of the broker, and another time of Weaviate."""
    await scene.in_turn(_kill_kafka, _kill_weaviate)


@asynccontextmanager
async def through_a_cable(scene: Scene) -> AsyncIterator[None]:
    """The workers reach Kafka through a cable."""
    real, cable = scene.cable_ports
    async with Cable(cable, real) as scene.tools.cable:
        scene.desk.worker_settings["KAFKA__BOOTSTRAP_SERVERS"] = f"127.0.0.1:{cable}"
        yield
        scene.tools.cable.mend()


async def cut_the_network(scene: Scene) -> None:
    """The cable between the workers and Kafka is cut for longer than a session, and mended."""
    async for _ in scene.moments(1 if not scene.form.full else None):
        scene.tools.cable.cut()
        await asyncio.sleep(scene.form.outage_seconds)
        scene.tools.cable.mend()
        scene.deaths += len(scene.workers)
        await scene.resumes(time.monotonic(), range(scene.desk.partitions))


SCENARIOS = [
    Scenario("6", "kill -9 of Kafka", kill_kafka, short=False),
    Scenario("7", "kill -9 of Weaviate", kill_weaviate, short=False),
    Scenario("6, 7", "kill -9 of Kafka, then of Weaviate", kill_both, full=False),
    Scenario("17", "network to Kafka cut", cut_the_network, around=through_a_cable),
]
