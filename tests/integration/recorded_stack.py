"""What a stack of earlier code has left on Kafka: recorded once, and put on the Kafka of a test.

``python tests/integration/recorded_stack.py SERVERS FILE`` records all topics of a stack whose workers have
ended.
"""

from __future__ import annotations

import asyncio
import gzip
import sys
from collections import defaultdict
from pathlib import Path

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

GROUP = "ticketstream"


class Message(msgspec.Struct, array_like=True):
    """A message as it lies on its topic; its offset is its place in the list."""

    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


class RecordedStack(msgspec.Struct):
    """All messages by topic and partition, and what the group has acknowledged of each."""

    messages: dict[str, list[list[Message]]]
    committed: dict[str, dict[int, int]]


def read(path: Path) -> RecordedStack:
    """Return what a file holds."""
    return msgspec.msgpack.decode(gzip.decompress(path.read_bytes()), type=RecordedStack)


async def record(servers: str) -> RecordedStack:
    """Read all topics of a Kafka; raises ValueError where compaction has left gaps between offsets."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await consumer.start()
    await admin.start()
    try:
        topics = sorted(name for name in await admin.list_topics() if not name.startswith("__"))
        messages: dict[str, list[list[Message]]] = {}
        for described in await admin.describe_topics(topics):
            topic, numbers = described["topic"], range(len(described["partitions"]))
            messages[topic] = [await _messages(consumer, TopicPartition(topic, one)) for one in numbers]
        committed: defaultdict[str, dict[int, int]] = defaultdict(dict)
        for place, known in (await admin.list_consumer_group_offsets(GROUP)).items():
            committed[place.topic][place.partition] = known.offset
        return RecordedStack(messages, dict(committed))
    finally:
        await consumer.stop()
        await admin.close()


async def _messages(consumer: AIOKafkaConsumer, place: TopicPartition) -> list[Message]:
    found: list[Message] = []
    end = (await consumer.end_offsets([place]))[place]
    consumer.assign([place])
    while len(found) < end:
        one = await consumer.getone()
        if one.offset != len(found):
            raise ValueError(f"{place} has a gap before offset {one.offset}: record a younger stack")
        found.append(
            Message(one.timestamp, one.key, one.value, [(name, value) for name, value in one.headers])
        )
    return found


async def restore(servers: str, recorded: RecordedStack) -> None:
    """Put all messages on topics that exist and are empty, and have the group acknowledge what it had."""
    producer = AIOKafkaProducer(bootstrap_servers=servers, max_request_size=16 * 1024 * 1024)
    await producer.start()
    try:
        for topic, partitions in recorded.messages.items():
            for number, messages in enumerate(partitions):
                for each in messages:
                    await producer.send(
                        topic,
                        value=each.value,
                        key=each.key,
                        partition=number,
                        timestamp_ms=each.timestamp,
                        headers=each.headers,
                    )
        await producer.flush()
    finally:
        await producer.stop()
    member = AIOKafkaConsumer(bootstrap_servers=servers, group_id=GROUP, enable_auto_commit=False)
    await member.start()
    try:
        member.assign(
            [TopicPartition(topic, number) for topic, known in recorded.committed.items() for number in known]
        )
        await member.commit(
            {
                TopicPartition(topic, number): offset
                for topic, known in recorded.committed.items()
                for number, offset in known.items()
            }
        )
    finally:
        await member.stop()


if __name__ == "__main__":
    made = asyncio.run(record(sys.argv[1]))
    Path(sys.argv[2]).write_bytes(gzip.compress(msgspec.msgpack.encode(made), mtime=0))
    print({topic: [len(each) for each in partitions] for topic, partitions in made.messages.items()})
