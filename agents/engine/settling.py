"""The effects of messages that are done: records first, then the entries of the tables."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Protocol

from agents.app.tables import Tables
from agents.engine.attempts import Attempts
from agents.engine.outcomes import Mark, Outcome
from agents.engine.partition_queue import Queued
from streams.kafka.messages import Incoming, Record
from streams.kafka.producer import Producer
from streams.metrics import StageMetrics

Locks = defaultdict[int, asyncio.Lock]
"""A lock for each partition; engines that write the same tables share theirs."""


class Ledger(Protocol):
    """Counts what a stage has released; its entries are written with the other marks."""

    def count(self, stage: str, partition: int, released: Sequence[tuple[Incoming, Outcome]]) -> list[Mark]:
        """Count messages, each offset once however often it is named; returns the entries to write."""


class Settling:
    """Settles the messages of one stage; those of a partition one batch after the other, under its lock."""

    def __init__(
        self,
        stage: str,
        *,
        producer: Producer,
        tables: Tables,
        ledger: Ledger,
        metrics: StageMetrics,
        locks: Locks,
        attempts: Attempts,
    ) -> None:
        self._stage = stage
        self._producer = producer
        self._tables = tables
        self._ledger = ledger
        self._metrics = metrics
        self._locks = locks
        self._attempts = attempts

    async def send(self, records: Sequence[Record]) -> None:
        """Send records ahead of the others of their message, until the broker has them."""
        await self._attempts.until_done(lambda: self._producer.send(records))

    async def settle(self, batch: list[Queued], leading: list[Queued], partition: int) -> None:
        """Write the effects of finished messages; ``leading`` are those that may be acknowledged then."""
        async with self._locks[partition]:
            _skip_unwanted(batch)
            _complete(batch)
            await self._attempts.until_done(lambda: self._write(batch, leading, partition))

    async def _write(self, batch: list[Queued], leading: list[Queued], partition: int) -> None:
        records: list[Record] = []
        marks: dict[str, list[tuple[bytes, Any]]] = defaultdict(list)
        for queued in batch:
            done = queued.done
            if done is None:
                raise RuntimeError("a message without an outcome cannot be settled")
            records += done.records
            for mark in done.marks:
                marks[mark.table].append((mark.key, mark.entry))
        if records:
            await self._producer.send(records)
        # An import's counts remember the last offset they hold and no others. So messages are counted in
        # offset order: only those that may be acknowledged now.
        counted = [(queued.message, queued.done) for queued in leading if queued.done is not None]
        for mark in self._ledger.count(self._stage, partition, counted):
            marks[mark.table].append((mark.key, mark.entry))
        await asyncio.gather(
            *(self._tables[table].put(partition, entries) for table, entries in marks.items())
        )
        self._count(batch)

    def _count(self, prefix: list[Queued]) -> None:
        now = time.time()
        sent = 0
        for queued in prefix:
            done = queued.done
            if done is None:
                continue
            if done.verdict == "sent" and done.reason != "unchanged":
                sent += 1
                if done.changed_at is not None:
                    self._metrics.freshness(max(0.0, now - done.changed_at))
            elif done.verdict == "failed":
                self._metrics.dead_lettered(done.reason)
            else:
                self._metrics.skipped(done.reason or "repeat")
        self._metrics.sent.inc(sent)


def _skip_unwanted(prefix: list[Queued]) -> None:
    """Skip messages whose ticket has had a newer version sent by the other lane while they were worked on."""
    for queued in prefix:
        done = queued.done
        if done is not None and done.is_current is not None and not done.is_current():
            queued.done = Outcome(
                "skipped",
                reason="stale",
                records=done.if_stale,
                account=done.account,
                import_id=done.import_id,
                calls=done.calls,
            )


def _complete(batch: list[Queued]) -> None:
    """Add the records and entries that can be known only right before sending (``at_last``)."""
    for queued in batch:
        done = queued.done
        if done is not None and done.at_last is not None:
            records, marks = done.at_last()
            done.records, done.marks, done.at_last = done.records + records, done.marks + marks, None
