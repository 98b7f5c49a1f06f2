"""Topics on a real broker: read while they are written, and taken over from whoever made them first."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import UnknownTopicOrPartitionError
from conftest import OpenDesk
from harness import Desk

from streams.kafka.topic_admin import described, settings_of
from streams.kafka.topic_reader import TopicReader
from streams.kafka.topic_settings import differences
from streams.kafka.topics import ensure_topics, topic_configs
from ticketstream.operations.checks.kafka import check_kafka

TOPIC = "never-at-rest"
RECORDS = 20_000
ROUNDS = 10


@pytest.fixture
async def fresh(open_desk: OpenDesk) -> AsyncIterator[tuple[Desk, AIOKafkaAdminClient]]:
    """A broker on which nobody has worked yet, and its administration."""
    desk = open_desk(1)
    admin = AIOKafkaAdminClient(bootstrap_servers=desk.settings.cluster.servers)
    await admin.start()
    yield desk, admin
    await admin.close()


async def test_every_record_comes_once_while_a_producer_never_rests(
    fresh: tuple[Desk, AIOKafkaAdminClient],
) -> None:
    desk, admin = fresh
    servers = desk.settings.cluster.servers
    await admin.create_topics([NewTopic(TOPIC, 2, 1)])
    written = 0

    async def write() -> None:
        nonlocal written
        async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
            while written < RECORDS:
                sent = [
                    await producer.send(TOPIC, str(number).encode(), partition=number % 2)
                    for number in range(written, written + 50)
                ]
                await asyncio.gather(*sent)
                written += 50

    writing = asyncio.create_task(write())
    found: Counter[bytes] = Counter()
    async with TopicReader(desk.cluster, [TOPIC]) as reader:
        for _ in range(ROUNDS):  # to a moving end, then what has come: as whoever follows an import does
            before = written
            found.update([raw.value async for raw in reader.to_end()])
            assert sum(found.values()) >= before
            found.update(raw.value for raw in await reader.next_batch(0.05))
        await writing
        found.update([raw.value async for raw in reader.to_end()])
    assert found == Counter(str(number).encode() for number in range(RECORDS))


async def test_topics_that_a_consumer_made_by_asking_become_what_they_must_be(
    fresh: tuple[Desk, AIOKafkaAdminClient],
) -> None:
    desk, admin = fresh
    names = list(topic_configs())
    servers = desk.settings.cluster.servers
    # Our own clients make nothing by asking, so the broker is asked as others do.
    await admin._send_request(_asking(names))
    while not set(names) <= set(await described(admin)):
        await asyncio.sleep(0.05)
    before = await described(admin)
    made = {len(before[name]) for name in names}
    ours = max(made) + 2
    settings = desk.settings.model_copy(
        update={"kafka": desk.settings.kafka.model_copy(update={"partitions": ours})}
    )
    (_, topics, _) = await check_kafka(settings, timeout=10)
    assert topics.verdict == "fail"

    await ensure_topics(settings)
    there = await described(admin)
    found = await settings_of(admin, names)
    assert {len(there[name]) for name in names} == {ours}
    assert not [(name, wrong) for name in names for wrong in differences(found[name], topic_configs()[name])]
    (_, topics, _) = await check_kafka(settings, timeout=10)
    assert topics.verdict == "ok"

    # Somebody's own choice stays, and is named; a policy that would delete state does not stay.
    chosen = {"cleanup.policy": "delete", "max.message.bytes": "1000000"}
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, "tickets.enriched", chosen)])
    await ensure_topics(settings)
    enriched = (await settings_of(admin, ["tickets.enriched"]))["tickets.enriched"]
    (left,) = differences(enriched, topic_configs()["tickets.enriched"])
    assert (left.name, left.found) == ("max.message.bytes", "1000000")
    (_, topics, _) = await check_kafka(settings, timeout=10)
    assert "tickets.enriched: max.message.bytes is 1000000" in topics.message

    consumer = AIOKafkaConsumer("tickets.nobody-has-made", bootstrap_servers=servers, request_timeout_ms=1000)
    with pytest.raises(UnknownTopicOrPartitionError):
        await consumer.start()
    await consumer.stop()
    assert "tickets.nobody-has-made" not in await described(admin)


def _asking(names: list[str]) -> object:
    from aiokafka.protocol.metadata import MetadataRequest

    return MetadataRequest(names)
