"""Resume points: how far Weaviate is, written with the acknowledgement, and never lower than before."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from agents.engine.engine import Engine
from agents.engine.outcomes import Outcome
from agents.imports.progress import ProgressLedger
from agents.knowledge.index.resume_points import TABLE, ResumePoints
from agents.testing import InMemoryEvent, InMemoryTables
from schemas.tables import ResumePoint
from schemas.topics import EMBEDDED
from streams.kafka.messages import Incoming
from streams.kafka.positions import Positions
from streams.metrics import Metrics
from streams.retries import RetryPolicy
from streams.testing import InMemoryProducer, settle, until
from tests.shared_fixtures import logs

__all__ = ["logs"]
pytestmark = pytest.mark.usefixtures("logs")
KEY = EMBEDDED.encode()


class Bench:
    """An engine of the stage index whose handler leaves the last message to wait for its door."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.log: list[Any] = []
        self.tables = InMemoryTables(self.log)
        self.open: set[int] = set()
        producer = InMemoryProducer(self.log)
        self.ledger = ResumePoints(
            ProgressLedger(producer, self.tables, 4),  # type: ignore[arg-type]
            self.tables,  # type: ignore[arg-type]
            clock=lambda: self.now,
        )
        self.positions = Positions()
        self.engine = Engine(
            "index",
            self.handle,
            app=SimpleNamespace(consumer_generation_id=1),
            producer=producer,  # type: ignore[arg-type]
            tables=self.tables,  # type: ignore[arg-type]
            ledger=self.ledger,
            metrics=Metrics().stage("index"),
            positions=self.positions,
            working=50,
            held=50,
            ahead=50,
            retry=RetryPolicy(factor=0),
        )

    async def handle(self, message: Incoming) -> Outcome:
        await until(lambda: message.offset in self.open)
        return Outcome("sent", account="acme", import_id="i1")

    async def put(self, *offsets: int, partition: int = 0) -> None:
        for offset in offsets:
            key = f"acme:{offset}".encode()
            await self.engine.put(
                InMemoryEvent(offset, key=key, topic=EMBEDDED, partition=partition, log=self.log)
            )

    def point(self, partition: int = 0) -> ResumePoint | None:
        found: ResumePoint | None = self.tables[TABLE].get(partition, KEY)
        return found

    def count(self, *offsets: int, partition: int = 0) -> list[ResumePoint]:
        released = [
            (Incoming(EMBEDDED, partition, offset, b"k", b"v", ()), Outcome("sent")) for offset in offsets
        ]
        return [mark.entry for mark in self.ledger.count("index", partition, released) if mark.table == TABLE]


async def test_it_is_written_with_the_acknowledgement_and_beside_the_counts() -> None:
    bench = Bench()
    await bench.put(5, 6, 7)
    bench.open |= {5, 6, 7}
    await until(lambda: ("ack", 7) in bench.log)
    assert bench.point() == ResumePoint(7, 1_000.0)
    written = [entry[1] for entry in bench.log if entry[0] == "table"]
    assert sorted(written) == ["progress", TABLE]  # one entry for the three, in the same step
    assert bench.log.index(("table", TABLE, [KEY])) < bench.log.index(("ack", 5))
    await bench.engine.let_go()


async def test_what_is_done_behind_a_message_that_is_not_does_not_count() -> None:
    bench = Bench()
    await bench.put(0, 1, 2)
    bench.open |= {0, 2}
    await until(lambda: ("ack", 0) in bench.log)
    await until(lambda: bench.positions.passed.get((EMBEDDED, 0)))  # 2 has had its effect, ahead of 1
    assert bench.point() == ResumePoint(0, 1_000.0)
    bench.open.add(1)
    await until(lambda: ("ack", 2) in bench.log)
    assert bench.point() == ResumePoint(2, 1_000.0)
    await bench.engine.let_go()


async def test_a_write_that_failed_is_made_again() -> None:
    bench = Bench()
    bench.tables[TABLE].failures = 2
    await bench.put(3)
    bench.open.add(3)
    await until(lambda: ("ack", 3) in bench.log)
    assert bench.point() == ResumePoint(3, 1_000.0)
    await bench.engine.let_go()


async def test_a_message_that_comes_again_does_not_lower_it() -> None:
    bench = Bench()
    await bench.tables[TABLE].put(0, [(KEY, ResumePoint(9, 500.0))])  # by the worker before
    await bench.put(7, 8)
    bench.open |= {7, 8, 9, 10}
    await until(lambda: ("ack", 8) in bench.log)
    await settle()
    assert bench.point() == ResumePoint(9, 500.0)
    await bench.put(9, 10)
    await until(lambda: ("ack", 10) in bench.log)
    assert bench.point() == ResumePoint(10, 1_000.0)
    await bench.engine.let_go()


async def test_each_partition_has_its_own_and_nothing_released_writes_none() -> None:
    bench = Bench()
    assert bench.count() == []
    assert bench.count(4, 5) == [ResumePoint(5, 1_000.0)]
    await bench.tables[TABLE].put(0, [(KEY, ResumePoint(5, 1_000.0))])
    bench.now = 1_001.0
    assert bench.count(5) == []
    assert bench.count(2, partition=1) == [ResumePoint(2, 1_001.0)]
