"""Looks every few seconds at what no single message can tell: lag, table sizes, the last comparison.

Runs beside the stages in every worker that shows its metrics, and costs a few calls to Kafka a look.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Final, Protocol

import structlog
from aiokafka import TopicPartition

from agents.measuring.ages import Ages
from schemas.cluster import Cluster
from schemas.codec import decode
from schemas.errors import PermanentError, UnavailableError
from schemas.messages.reconcile import ReconcileReport
from schemas.stages import STAGES
from schemas.tables import TABLES
from schemas.topics import IMPORT_COMMANDS, IMPORT_PROGRESS, RECONCILE_REPORTS
from streams.kafka.committed import CommittedOffsets, Waiting
from streams.kafka.offset_ranges import OffsetRange, RangeReader
from streams.kafka.partitions import account_partition
from streams.metrics.state import DRIFT, StateMetrics

STAGE_OF: Final[dict[str, str]] = {
    **{topic: stage.name for stage in STAGES for topic in stage.reads},
    IMPORT_COMMANDS: "imports",
    IMPORT_PROGRESS: "imports",
}
"""The topics the workers read, and the stage that reads each."""
_EVERY_SECONDS: Final = 5.0
_TABLES_EVERY: Final = 3
"""Looks between two at the tables."""
_KAFKA_SECONDS: Final = 15.0


class _Engine(Protocol):
    def oldest(self) -> dict[tuple[str, int], float]: ...


class _Table(Protocol):
    def size(self, partition: int) -> tuple[int, int]: ...


class _Tables(Protocol):
    def __getitem__(self, name: str) -> _Table: ...


class Sampler:
    """Keeps the figures of one worker; ``account`` is None where no account is connected."""

    def __init__(
        self,
        metrics: StateMetrics,
        *,
        engines: Iterable[_Engine],
        tables: _Tables,
        cluster: Cluster,
        account: str | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._metrics = metrics
        self._engines = tuple(engines)
        self._tables = tables
        self._cluster = cluster
        self._account = account
        self._clock = clock
        self._owned: frozenset[int] = frozenset()
        self._ages: dict[tuple[str, int], Ages] = {}
        self._shown: set[tuple[str, int]] = set()
        self._wake = asyncio.Event()
        self._looks = 0
        self._read_to = -1

    def assigned(self, partitions: Iterable[int]) -> None:
        """Show these partitions from now on, and no others."""
        self._owned = frozenset(partitions)
        self._ages.clear()
        self._looks = 0
        self._read_to = -1
        self._wake.set()

    def revoked(self) -> None:
        """Show none: they are another worker's to show."""
        self._owned = frozenset()
        for topic, partition in self._shown:
            place = (STAGE_OF[topic], topic, str(partition))
            self._metrics.lag_messages.remove(*place)
            self._metrics.lag_seconds.remove(*place)
        self._shown.clear()

    async def run(self) -> None:
        """Look for ever; while Kafka is away, ages go on and the other figures stay."""
        while True:
            try:
                async with asyncio.timeout(_KAFKA_SECONDS):
                    watermarks = await CommittedOffsets(self._cluster).__aenter__()
                try:
                    while True:
                        async with asyncio.timeout(_KAFKA_SECONDS):
                            await self.look(watermarks)
                        await self._pause()
                finally:
                    with suppress(TimeoutError, UnavailableError):
                        async with asyncio.timeout(_KAFKA_SECONDS):
                            await watermarks.__aexit__(None, None, None)
            except (UnavailableError, TimeoutError) as error:
                structlog.get_logger().debug("lag cannot be looked at", error=repr(error))
            except Exception as error:
                structlog.get_logger().error("lag cannot be looked at", error=repr(error), exc_info=True)
            self._show_ages()
            await self._pause()

    async def _pause(self) -> None:
        self._wake.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(_EVERY_SECONDS):
                await self._wake.wait()

    async def look(self, watermarks: CommittedOffsets) -> None:
        """Look once; raises UnavailableError."""
        owned = self._owned
        if not owned:
            return
        if self._looks % _TABLES_EVERY == 0:
            self._show_tables(owned)
        self._looks += 1
        places = [TopicPartition(topic, partition) for topic in STAGE_OF for partition in owned]
        waiting = await watermarks.unacknowledged(places)
        if self._owned is not owned:
            return
        self._show_lag({(place.topic, place.partition): found for place, found in waiting.items()})
        await self._read_report(watermarks)

    def _show_lag(self, waiting: Mapping[tuple[str, int], Waiting]) -> None:
        now = self._clock()
        for (topic, partition), found in waiting.items():
            self._ages.setdefault((topic, partition), Ages()).look(*found, now)
            labels = (STAGE_OF[topic], topic, str(partition))
            self._metrics.lag_messages.labels(*labels).set(found.messages)
            self._shown.add((topic, partition))
        self._show_ages()

    def _show_ages(self) -> None:
        now = self._clock()
        put_at: dict[tuple[str, int], float] = {}
        for engine in self._engines:
            put_at |= engine.oldest()
        for place in self._shown:
            held = put_at.get(place)
            age = max(0.0, now - held) if held is not None else self._ages[place].age(now)
            self._metrics.lag_seconds.labels(STAGE_OF[place[0]], place[0], str(place[1])).set(age)

    def _show_tables(self, owned: frozenset[int]) -> None:
        for name in TABLES:
            sizes = [self._tables[name].size(partition) for partition in owned]
            self._metrics.table_entries.labels(name).set(sum(entries for entries, _ in sizes))
            self._metrics.table_bytes.labels(name).set(sum(size for _, size in sizes))

    async def _read_report(self, watermarks: CommittedOffsets) -> None:
        """Show the last report of ``ticketstream reconcile``, in the worker that owns the account."""
        if self._account is None:
            return
        home = account_partition(self._account, self._cluster.partitions)
        if home not in self._owned:
            return
        place = TopicPartition(RECONCILE_REPORTS, home)
        end = await watermarks.end(place)
        if end <= max(self._read_to, 0):
            return
        first = max(self._read_to, 0)
        async with RangeReader(self._cluster) as reader:
            async for batch in reader.read({place: OffsetRange(first, first, end)}):
                for raw in batch.records:
                    if raw.key == self._account.encode():
                        self._show_report(raw)
        self._read_to = end

    def _show_report(self, raw: Any) -> None:
        try:
            report = decode(ReconcileReport, raw.value, raw.headers)
        except PermanentError as error:
            structlog.get_logger().warning("a report of reconcile cannot be read", error=str(error))
            return
        for kind in DRIFT:
            self._metrics.drift.labels(kind).set(report.drift.get(kind, 0))
        self._metrics.compared.labels("account").set(report.account)
        self._metrics.compared.labels("indexed").set(report.indexed)
        self._metrics.compared_at.set(report.at)
