"""The ceiling of a stage, plain aiokafka: ``python -m benchmarks.stage_plain MESSAGES``.

Consume, produce the same bytes, wait for the broker, commit: nothing is decoded, looked up or kept. While
the broker takes one batch the next one is sent.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any, Final

import msgspec
import psutil
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks.stage_worker import StageRun
from schemas.settings.load import Settings, load_settings
from schemas.topics import BACKFILL, INDEXED

_AT_ONCE: Final = 1_000


async def run(settings: Settings, messages: int) -> StageRun:
    """Pass on so many messages."""
    servers = settings.cluster.servers
    consumer = AIOKafkaConsumer(
        BACKFILL,
        bootstrap_servers=servers,
        group_id="plain",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_partition_fetch_bytes=256 * 1024,
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=servers,
        acks="all",
        enable_idempotence=True,
        linger_ms=10,
        max_batch_size=512 * 1024,
    )
    async with consumer, producer:
        process, done, began, before = psutil.Process(), 0, 0.0, 0.0
        sending: asyncio.Future[list[Any]] | None = None
        places: dict[TopicPartition, int] = {}
        while done < messages:
            batches = await consumer.getmany(timeout_ms=1000, max_records=_AT_ONCE)
            if batches and not began:
                began, before = time.monotonic(), sum(process.cpu_times()[:2])
            sent = [
                await producer.send(
                    INDEXED, one.value, one.key, partition=one.partition, headers=list(one.headers)
                )
                for batch in batches.values()
                for one in batch
            ]
            if sending is not None:
                await sending
                await consumer.commit(places)
            sending = asyncio.gather(*sent)
            places = {place: batch[-1].offset + 1 for place, batch in batches.items()}
            done += len(sent)
        if sending is not None:
            await sending
            await consumer.commit(places)
        return StageRun(
            messages=done,
            seconds=time.monotonic() - began,
            cpu_seconds=sum(process.cpu_times()[:2]) - before,
        )


if __name__ == "__main__":
    print(msgspec.json.encode(uvloop.run(run(load_settings(), int(sys.argv[1])))).decode())
