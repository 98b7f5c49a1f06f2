"""How far each import has come, counted by each stage in its own partitions.

A stage's counts for an import are an entry of the table ``progress``, written together with the
stage's other marks, so that a crash counts nothing twice. Changed counts are published, at most
every half second, to the worker that owns the import.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from agents.app.part import Part
from agents.app.tables import Tables
from agents.engine.outcomes import Mark, Outcome
from schemas.codec import encode, headers_of
from schemas.errors import UnavailableError
from schemas.messages.imports import StageCounts, StageProgress
from schemas.topics import IMPORT_PROGRESS
from streams.kafka.messages import Incoming, Record
from streams.kafka.partitions import account_partition
from streams.kafka.producer import Producer

TABLE: Final = "progress"
_PUBLISH_SECONDS: Final = 0.4


def progress_key(stage: str, account: str, import_id: str) -> bytes:
    """Return the key of a stage's counts; stage, account and id hold no colon."""
    return f"{stage}:{account}:{import_id}".encode()


def add(counts: StageCounts, topic: str, offset: int, done: Outcome) -> bool:
    """Count one message; returns False when its offset was counted before."""
    if offset <= counts.through.get(topic, -1):
        return False
    counts.through[topic] = offset
    if done.verdict == "sent":
        counts.sent += 1
    elif done.verdict == "skipped":
        counts.skipped += 1
    elif done.verdict == "failed":
        counts.failed += 1
    else:
        counts.repeated += 1
    counts.vectors += done.vectors
    counts.calls += done.calls
    return True


def is_older(counts: StageCounts, known: StageCounts) -> bool:
    """Return whether counts are from before others of the same stage and partition."""
    return any(counts.through.get(topic, -1) < offset for topic, offset in known.through.items())


class ProgressLedger(Part):
    """Counts released messages by import, and publishes the counts."""

    def __init__(self, producer: Producer, tables: Tables, partitions: int) -> None:
        self._producer = producer
        self._tables = tables
        self._partitions = partitions
        self._counts: dict[tuple[int, bytes], StageCounts] = {}
        self._changed: set[tuple[int, bytes]] = set()

    def count(self, stage: str, partition: int, released: Sequence[tuple[Incoming, Outcome]]) -> list[Mark]:
        """Count messages, each offset once however often it is named; returns the entries to write."""
        touched: dict[bytes, StageCounts] = {}
        for message, done in released:
            if not done.import_id:
                continue
            key = progress_key(stage, done.account, done.import_id)
            counts = touched.get(key) or self._load(partition, key)
            add(counts, message.topic, message.offset, done)
            touched[key] = counts
        self._changed.update((partition, key) for key in touched)
        return [Mark(TABLE, key, counts) for key, counts in touched.items()]

    def _load(self, partition: int, key: bytes) -> StageCounts:
        counts = self._counts.get((partition, key))
        if counts is None:
            counts = self._tables[TABLE].get(partition, key) or StageCounts()
            self._counts[partition, key] = counts
        return counts

    async def take(self, partitions: frozenset[int], gained: frozenset[int]) -> None:
        """Forget what was cached, and publish anew what the tables of these partitions hold."""
        self._counts.clear()
        self._changed.clear()
        for partition in partitions:
            for key, counts in self._tables[TABLE].items(partition):
                self._counts[partition, key] = counts
                self._changed.add((partition, key))

    async def publish(self) -> None:
        """Send what has changed since the last time."""
        changed, self._changed = self._changed, set()
        records = []
        for partition, key in changed:
            stage, account, import_id = key.decode().split(":", 2)
            progress = StageProgress(
                account=account,
                import_id=import_id,
                stage=stage,
                partition=partition,
                counts=self._counts[partition, key],
            )
            target = account_partition(account, self._partitions)
            records.append(
                Record(IMPORT_PROGRESS, target, account.encode(), encode(progress), headers_of(progress))
            )
        if not records:
            return
        try:
            await self._producer.send(records)
        except UnavailableError as error:
            # Counts of partitions that a rebalance took away meanwhile are published by the next owner.
            self._changed |= changed & self._counts.keys()
            structlog.get_logger().warning("progress not published", error=error)

    async def tell(self) -> None:
        """Send the last counts."""
        await self.publish()

    async def run(self) -> None:
        """Publish for ever."""
        while True:
            await asyncio.sleep(_PUBLISH_SECONDS)
            await self.publish()
