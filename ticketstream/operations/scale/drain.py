"""Has what is in flight finished before partitions change: a worker of our own embeds and indexes it.

In flight is what enrich has passed on. What lies before enrich waits where it is: nobody has begun with
it, and workers hand it on to its ticket's new partition.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from aiokafka import TopicPartition

from schemas.errors import ConflictError
from schemas.settings.load import PREFIX, Settings
from schemas.stages import BETWEEN, ENRICH
from schemas.topics import IMPORT_COMMANDS
from streams.kafka.committed import CommittedOffsets
from streams.retries import RetryPolicy, retrying
from ticketstream.operations.imports.waits import waits_now
from ticketstream.operations.scale.broker import Broker
from ticketstream.operations.workers.pool import WorkerPool

IN_FLIGHT: Final = BETWEEN
WAITING: Final = (*ENRICH.reads, IMPORT_COMMANDS)
FORGOTTEN_SECONDS: Final = 15.0
"""Kafka counts a worker in for ten seconds after it has ended."""
_POLL_UNFINISHED_SECONDS: Final = 0.3
_LOOK_AT_THE_CAP_SECONDS: Final = 3.0
_MOST_STARTS: Final = 3
_POLICY: Final = RetryPolicy(attempts=5)


async def unfinished(
    settings: Settings, partitions: int, topics: tuple[str, ...] = IN_FLIGHT
) -> dict[str, int]:
    """Return how many messages of each topic are not acknowledged, without those that have none."""
    places = [TopicPartition(topic, number) for topic in topics for number in range(partitions)]
    async with CommittedOffsets(replace(settings.cluster, partitions=partitions)) as watermarks:
        # A broker that has never had a group yet makes its topic of offsets first.
        waiting = await retrying(lambda: watermarks.unacknowledged(places), _POLICY)
    found: dict[str, int] = {}
    for place, some in waiting.items():
        if some.messages:
            found[place.topic] = found.get(place.topic, 0) + some.messages
    return found


async def without_workers(broker: Broker) -> None:
    """Return when Kafka knows no worker any more; raises ConflictError when some go on working."""
    deadline = time.monotonic() + FORGOTTEN_SECONDS
    while workers := await broker.workers():
        if time.monotonic() > deadline:
            named = ", ".join(workers[:4]) + (" …" if len(workers) > 4 else "")
            number = f"{len(workers)} workers are" if len(workers) > 1 else "a worker is"
            raise ConflictError(
                f"{number} still running ({named}): stop all of them (Ctrl-C or SIGTERM), then run this again"
            )
        await asyncio.sleep(_POLL_UNFINISHED_SECONDS)


class _Notes:
    """How often the worker ended by itself, and its last words about it."""

    def __init__(self) -> None:
        self.ends: list[str] = []

    def __call__(self, words: str) -> None:
        self.ends.append(words)


async def drain(settings: Settings, partitions: int, told: Callable[[dict[str, int]], None]) -> None:
    """Have everything in flight finished; ``told`` hears what is left, by topic.

    Raises ConflictError when a daily cap holds it up, or the worker cannot run.
    """
    notes = _Notes()
    environment = dict(os.environ) | {
        f"{PREFIX}KAFKA__PARTITIONS": str(partitions),
        f"{PREFIX}METRICS_PORT": "0",
    }
    if settings.log_level == "info":
        environment[f"{PREFIX}LOG_LEVEL"] = "warning"
    # As after any kill -9 nothing is lost; a worker that went on would stop whoever wants to begin again.
    pool = WorkerPool(
        1,
        environment=environment,
        note=notes,
        command=("agents.worker", "draining"),
        when_orphaned=signal.SIGKILL,
    )
    pool.start()
    looked_at_the_cap = time.monotonic()
    try:
        while left := await unfinished(settings, partitions):
            told(left)
            pool.look()
            if len(notes.ends) >= _MOST_STARTS:
                ended = notes.ends[-1].partition(";")[0]
                raise ConflictError(f"what is in flight cannot be finished ({ended}): see the lines above")
            if time.monotonic() - looked_at_the_cap > _LOOK_AT_THE_CAP_SECONDS:
                looked_at_the_cap = time.monotonic()
                if words := (await waits_now(settings)).embedding:
                    raise ConflictError(f"{words}: run this again then, or at once with a higher cap")
            await asyncio.sleep(_POLL_UNFINISHED_SECONDS)
    finally:
        await asyncio.to_thread(pool.stop)
