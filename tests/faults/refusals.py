"""Faults of what services say: objects, calls and messages refused, and webhooks that cannot be relied on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from poison import KINDS, unreadable
from receiver import SECRET, Server
from refusing import Refusing
from scene import Scenario, Scene

from schemas.topics import IMPORT_COMMANDS, IMPORT_PROGRESS
from ticketstream.local.sample.gemini.control import SampleGeminiControl
from ticketstream.local.sample.gemini.messages import FaultKind
from ticketstream.local.sample.zendesk.faults import Fault
from ticketstream.local.sample.zendesk.webhooks import Hook


@asynccontextmanager
async def refusing_weaviate(scene: Scene) -> AsyncIterator[None]:
    """The workers speak to Weaviate through a proxy that fails objects."""
    target = scene.desk.settings.weaviate_grpc_url.partition("://")[2]
    async with Refusing(target, scene.chance) as scene.tools.refusing:
        scene.desk.worker_settings["WEAVIATE__GRPC_URL"] = f"grpc://127.0.0.1:{scene.tools.refusing.port}"
        yield
        scene.tools.refusing.share = 0.0


async def fail_objects(scene: Scene) -> None:
    """For some seconds, a part of the objects of every batch fail as a loading shard fails them."""
    async for _ in scene.moments():
        await _fail_objects(scene)
        await scene.resumes(time.monotonic(), range(scene.desk.partitions))
    assert scene.tools.refusing.refused


async def _fail_objects(scene: Scene) -> None:
    scene.tools.refusing.share = scene.chance.uniform(0.02, 0.3)
    await asyncio.sleep(scene.chance.uniform(2, 4))
    scene.tools.refusing.share = 0.0


async def storm_at_zendesk(scene: Scene) -> None:
    """429 with and without Retry-After, 5xx, silence, cut connections, half answers and pages of HTML."""
    async for _ in scene.moments():
        await _storm_at_zendesk(scene)
        await scene.resumes(time.monotonic(), range(scene.desk.partitions))
    assert scene.calls_lost


async def _storm_at_zendesk(scene: Scene) -> None:
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
    struck = sum(fault["struck"] for fault in scene.desk.zendesk.stats()["faults"])
    scene.calls_lost += struck
    scene.note = f"{scene.calls_lost} calls of Zendesk failed"


@asynccontextmanager
async def with_gemini(scene: Scene) -> AsyncIterator[None]:
    """The workers embed with the sample Gemini."""
    scene.desk.configure(EMBEDDING__PROVIDER="gemini")
    url = scene.desk.settings.gemini.base_url
    assert url is not None
    async with SampleGeminiControl(url) as scene.tools.gemini:
        yield
        await scene.tools.gemini.clear_faults()


async def storm_at_gemini(scene: Scene) -> None:
    """429 with and without a delay, 500, 503, too few vectors, no JSON, cut connections."""
    async for _ in scene.moments():
        await _storm_at_gemini(scene)
        await scene.resumes(time.monotonic(), range(scene.desk.partitions))


async def _storm_at_gemini(scene: Scene) -> None:
    gemini: SampleGeminiControl = scene.tools.gemini
    before = (await gemini.stats()).faults
    kinds: list[FaultKind] = ["rate_limit", "internal", "unavailable", "fewer_vectors", "not_json", "drop"]
    scene.chance.shuffle(kinds)
    await gemini.add_fault("rate_limit", times=1, retry_after=1.0)
    for kind in kinds:
        await gemini.add_fault(kind, times=1)
    deadline = time.monotonic() + 90
    while (await gemini.stats()).faults - before < 1 + len(kinds):
        assert time.monotonic() < deadline, f"the faults were not met\n{scene.desk.log()}"
        await asyncio.sleep(0.2)


async def poison_all_topics(scene: Scene) -> None:
    """On every topic, a dozen messages that cannot be read, between those that can."""
    async for _ in scene.moments():
        await _poison_all_topics(scene)
        await scene.resumes(time.monotonic(), range(scene.desk.partitions))


async def _poison_all_topics(scene: Scene) -> None:
    for topic in KINDS:
        of_account = topic in (IMPORT_COMMANDS, IMPORT_PROGRESS)
        ticket = scene.chance.randrange(1, scene.form.tickets + 1)
        key = (scene.desk.account if of_account else f"{scene.desk.account}:{ticket}").encode()
        records = [record for record, _ in unreadable(topic, scene.desk.partition(key), key)]
        scene.chance.shuffle(records)
        await scene.desk.send(*records)
        scene.poison += len(records)


@asynccontextmanager
async def refusing_services(scene: Scene) -> AsyncIterator[None]:
    """A Weaviate and a Gemini that can refuse."""
    async with refusing_weaviate(scene), with_gemini(scene):
        yield


async def everything_at_once(scene: Scene) -> None:
    """Single objects, calls of Zendesk and of Gemini fail, and all topics hold poison, at the same time."""
    async for _ in scene.moments():
        await asyncio.gather(
            _fail_objects(scene), _storm_at_zendesk(scene), _storm_at_gemini(scene), _poison_all_topics(scene)
        )
        await scene.resumes(time.monotonic(), range(scene.desk.partitions))
    scene.note = (
        f"{scene.tools.refusing.refused} objects and {scene.calls_lost} calls of Zendesk failed; "
        f"{scene.poison} messages that cannot be read, as many dead letters"
    )


@asynccontextmanager
async def a_receiver(scene: Scene) -> AsyncIterator[None]:
    """``ticketstream serve`` takes the account's webhooks."""
    scene.tools.receiver = await asyncio.to_thread(Server, scene.desk)
    try:
        await asyncio.to_thread(scene.tools.receiver.until_kafka_is, "reachable")
        yield
    finally:
        scene.desk.zendesk.clear_webhooks()
        await asyncio.to_thread(scene.tools.receiver.stop)


async def unruly_webhooks(scene: Scene) -> None:
    """Webhooks come twice, seconds late and out of order, between what the export tells."""
    async for _ in scene.moments():
        scene.desk.zendesk.clear_webhooks()
        since = time.monotonic()
        scene.desk.zendesk.add_webhook(
            Hook(
                url=scene.tools.receiver.hook_url,
                secret=SECRET,
                duplicate=scene.chance.uniform(0.2, 0.8),
                delay_seconds=scene.chance.uniform(0, 2),
                reorder_seconds=scene.chance.uniform(1, 6),
            )
        )
        await scene.resumes(since, range(scene.desk.partitions))
    await asyncio.sleep(4)  # the account changes on meanwhile, and the last receiver is told of it
    await scene.stop_changes()
    hooks = scene.desk.zendesk.webhooks()
    while hooks["pending"]:
        await asyncio.sleep(0.2)
        hooks = scene.desk.zendesk.webhooks()
    scene.webhooks = hooks["sent"]
    assert scene.webhooks


SCENARIOS = [
    Scenario("8", "Weaviate fails single objects", fail_objects, around=refusing_weaviate, short=False),
    Scenario("9", "Zendesk: 429, 5xx, time-outs, cut JSON", storm_at_zendesk, short=False),
    Scenario("10", "Gemini: 429, 500, too few vectors", storm_at_gemini, around=with_gemini, short=False),
    Scenario("11", "poison on every topic", poison_all_topics, short=False),
    Scenario("8-11", "these four at once", everything_at_once, around=refusing_services),
    Scenario(
        "16",
        "webhooks twice, late and out of order",
        unruly_webhooks,
        around=a_receiver,
        settings={"ZENDESK__POLL_SECONDS": 3},
    ),
]
