"""What aiokafka's clients need of us to go on, and to end."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import aiokafka.client
import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.protocol.metadata import MetadataRequest

_REST_SECONDS: Final = 0.2


class AskingOnly(MetadataRequest):
    """A question about topics that makes none.

    aiokafka (0.14.0) lets the broker make what it is asked for, and brokers do so by default: with one
    partition, and everything in it deleted after a week. No client of this process, Faust's neither, may.
    """

    def __init__(self, topics: list[str] | None = None) -> None:
        super().__init__(topics, allow_auto_topic_creation=False)


aiokafka.client.MetadataRequest = AskingOnly


def keep_metadata(client: Any) -> None:
    """Have a started or unstarted ``AIOKafkaClient`` go on after any failure of a metadata update.

    aiokafka (0.14.0) foresees its own errors there. Any other, such as a broker that is killed at the
    wrong moment can cause, ends the client's task for good; everything that waits for the next update
    (the search of the group's coordinator above all) then waits for ever, without a word. And whoever
    needs it asks again at once: without a rest in between, a broker that is away keeps a core busy.
    """
    update = client._metadata_update

    async def kept(*args: Any) -> bool:
        try:
            updated: bool = await update(*args)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            updated = False  # not we were cancelled, but the request we waited for
        except Exception as error:
            structlog.get_logger().warning("Kafka's metadata not updated", error=error)
            updated = False
        if not updated:
            await asyncio.sleep(_REST_SECONDS)
        return updated

    client._metadata_update = kept


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """Stop a consumer without a group, whenever it was started.

    aiokafka 0.14: stopped before its own task has begun, such a consumer raises CancelledError, and whoever
    stops it dies of it.
    """
    await asyncio.sleep(0)
    await consumer.stop()
