"""Faults of services: killed, cut off, refusing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cut import Cable
from receiver import SECRET, Server
from refusing import Refusing
from scene import Scenario, Scene

from ticketstream.sample.gemini.control import SampleGeminiControl
from ticketstream.sample.zendesk.faults import Fault
from ticketstream.sample.zendesk.webhooks import Hook


async def kill_kafka(scene: Scene) -> None:
    """kill -9 of the broker; the stack's supervisor starts it again."""
    async for _ in scene.moments():
        await asyncio.to_thread(scene.desk.kill_service, "kafka")
        await scene.resumes(time.monotonic(), range(scene.desk.partitions))
        scene.deaths += len(scene.workers)


async def kill_weaviate(scene: Scene) -> None:
    """kill -9 of Weaviate; the stack's supervisor starts it again."""
    async for _ in scene.moments():
        await asyncio.to_thread(scene.desk.kill_service, "weaviate")
        await scene.resumes(time.monotonic(), range(scene.desk.partitions))


@asynccontextmanager
async def refusing_weaviate(scene: Scene) -> AsyncIterator[None]:
    """The workers speak to Weaviate through a proxy that fails objects."""
    target = scene.desk.settings.weaviate_grpc_url.partition("://")[2]
    async with Refusing(target, scene.chance) as scene.tool:
        scene.desk.worker_settings["WEAVIATE__GRPC_URL"] = f"grpc://127.0.0.1:{scene.tool.port}"
        yield
        scene.tool.share = 0.0


async def fail_objects(scene: Scene) -> None:
    """For some seconds, a part of the objects of every batch fail as a loading shard fails them."""
    async for _ in scene.moments():
        scene.tool.share = scene.chance.uniform(0.02, 0.3)
        await asyncio.sleep(scene.chance.uniform(2, 4))
        scene.tool.share = 0.0
        await scene.resumes(time.monotonic(), range(scene.desk.partitions))
    assert scene.tool.refused
    scene.note = f"{scene.tool.refused} objects failed"


async def storm_at_zendesk(scene: Scene) -> None:
    """429 with and without Retry-After, 5xx, silence, cut connections, half answers and pages of HTML."""
    struck = 0
    async for _ in scene.moments():
        seconds = scene.chance.uniform(3, 5)
        scene.desk.zendesk.set_faults(
            Fault(kind="rate_limit", probability=0.2, retry_after=1, seconds=seconds),
            Fault(kind="rate_limit", probability=0.1, seconds=seconds),
            Fault(kind="error", status=500, probability=0.1, seconds=seconds),
            Fault(kind="error", status=503, probability=0.1, seconds=seconds),
            Fault(kind="drop", probability=0.1, seconds=seconds),
            Fault(kind="cut", probability=0.1, seconds=seconds),
            Fault(kind="truncated", probability=0.1, seconds=seconds),
            Fault(kind="html", probability=0.1, seconds=seconds),
            Fault(kind="hang", probability=0.05, hang_seconds=3, seconds=seconds),
        )
        await asyncio.sleep(seconds)
        over = time.monotonic()
        struck += sum(fault["struck"] for fault in scene.desk.zendesk.stats()["faults"])
        await scene.resumes(over, range(scene.desk.partitions))
    assert struck
    scene.calls_lost = struck
    scene.note = f"{struck} calls failed"


@asynccontextmanager
async def with_gemini(scene: Scene) -> AsyncIterator[None]:
    """The workers embed with the sample Gemini."""
    scene.desk.configure(EMBEDDING__PROVIDER="gemini")
    url = scene.desk.settings.gemini.base_url
    assert url is not None
    async with SampleGeminiControl(url) as scene.tool:
        yield
        await scene.tool.clear_faults()


async def storm_at_gemini(scene: Scene) -> None:
    """429 with and without a delay, 500, 503, too few vectors, no JSON, cut connections."""
    before = (await scene.tool.stats()).faults
    async for _ in scene.moments():
        kinds = ["rate_limit", "internal", "unavailable", "fewer_vectors", "not_json", "drop"]
        scene.chance.shuffle(kinds)
        await scene.tool.add_fault("rate_limit", times=1, retry_after=1.0)
        for kind in kinds:
            await scene.tool.add_fault(kind, times=1)
        since = time.monotonic()
        deadline = since + 60
        while (await scene.tool.stats()).faults - before < 7 * scene.faults:
            assert time.monotonic() < deadline, "the faults were not met"
            await asyncio.sleep(0.2)
        await scene.resumes(time.monotonic(), range(scene.desk.partitions))
    scene.note = f"{(await scene.tool.stats()).faults - before} calls failed"


@asynccontextmanager
async def through_a_cable(scene: Scene) -> AsyncIterator[None]:
    """The workers reach Kafka through a cable."""
    real, cable = scene.cable_ports
    async with Cable(cable, real) as scene.tool:
        scene.desk.worker_settings["KAFKA__BOOTSTRAP_SERVERS"] = f"127.0.0.1:{cable}"
        yield
        scene.tool.mend()


async def cut_the_network(scene: Scene) -> None:
    """The cable between the workers and Kafka is cut for longer than a session, and mended."""
    async for _ in scene.moments(1 if not scene.form.full else None):
        scene.tool.cut()
        await asyncio.sleep(scene.form.outage_seconds)
        scene.tool.mend()
        scene.deaths += len(scene.workers)
        await scene.resumes(time.monotonic(), range(scene.desk.partitions))


@asynccontextmanager
async def a_receiver(scene: Scene) -> AsyncIterator[None]:
    """``ticketstream serve`` takes the account's webhooks."""
    scene.tool = await asyncio.to_thread(Server, scene.desk)
    try:
        await asyncio.to_thread(scene.tool.until_kafka_is, "reachable")
        yield
    finally:
        scene.desk.zendesk.clear_webhooks()
        await asyncio.to_thread(scene.tool.stop)


async def unruly_webhooks(scene: Scene) -> None:
    """Webhooks come twice, seconds late and out of order, between what the export tells."""
    async for _ in scene.moments():
        scene.desk.zendesk.clear_webhooks()
        since = time.monotonic()
        scene.desk.zendesk.add_webhook(
            Hook(
                url=scene.tool.hook_url,
                secret=SECRET,
                duplicate=scene.chance.uniform(0.2, 0.8),
                delay_seconds=scene.chance.uniform(0, 2),
                reorder_seconds=scene.chance.uniform(1, 6),
            )
        )
        await scene.resumes(since, range(scene.desk.partitions))
    await asyncio.sleep(4)
    await scene.stop_changes()
    hooks = scene.desk.zendesk.webhooks()
    while hooks["pending"]:
        await asyncio.sleep(0.2)
        hooks = scene.desk.zendesk.webhooks()
    told = hooks["sent"]
    assert told
    scene.calls_lost = told
    scene.note = f"{told} webhooks sent"


SCENARIOS = [
    Scenario(6, "kill -9 of Kafka", kill_kafka),
    Scenario(7, "kill -9 of Weaviate", kill_weaviate),
    Scenario(8, "Weaviate fails single objects", fail_objects, around=refusing_weaviate),
    Scenario(9, "Zendesk: 429, 5xx, time-outs, cut JSON", storm_at_zendesk),
    Scenario(10, "Gemini: 429, 500, too few vectors", storm_at_gemini, around=with_gemini),
    Scenario(
        16,
        "webhooks twice, late and out of order",
        unruly_webhooks,
        around=a_receiver,
        settings={"ZENDESK__POLL_SECONDS": 3},
    ),
    Scenario(17, "network to Kafka cut", cut_the_network, around=through_a_cable),
]
