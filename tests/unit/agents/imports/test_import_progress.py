"""Counts of an import: each offset once, published when they change."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.engine.outcomes import Outcome, Verdict
from agents.imports import progress
from agents.imports.progress import ProgressLedger, add, progress_key
from agents.testing import InMemoryTables
from schemas.messages.imports import StageCounts, StageProgress
from schemas.topics import BACKFILL, CHANGES, IMPORT_PROGRESS
from streams.kafka.messages import Incoming
from streams.kafka.partitions import account_partition
from streams.testing import InMemoryProducer, settle, until
from tests.shared_fixtures import QUICK, logs

__all__ = ["logs"]
pytestmark = pytest.mark.usefixtures("logs")
KEY = progress_key("enrich", "acme", "i1")


def done(verdict: Verdict = "sent", **fields: Any) -> Outcome:
    return Outcome(verdict, account="acme", import_id="i1", **fields)


def at(offset: int, topic: str = BACKFILL) -> Incoming:
    return Incoming(topic, 3, offset, b"k", b"v", ())


class LedgerBench:
    def __init__(self) -> None:
        self.producer = InMemoryProducer()
        self.tables = InMemoryTables()
        self.ledger = ProgressLedger(self.producer, self.tables, 8)  # type: ignore[arg-type]

    async def count(
        self, *released: tuple[Incoming, Outcome], stage: str = "enrich", partition: int = 3
    ) -> None:
        for mark in self.ledger.count(stage, partition, released):
            await self.tables[mark.table].put(partition, [(mark.key, mark.entry)])

    def counts(self, key: bytes = KEY, partition: int = 3) -> StageCounts:
        found = self.tables["progress"].get(partition, key)
        assert isinstance(found, StageCounts)
        return found


@QUICK
@given(st.lists(st.tuples(st.sampled_from([BACKFILL, CHANGES]), st.integers(0, 8)), max_size=30))
def test_an_offset_is_counted_once_however_often_it_comes(places: list[tuple[str, int]]) -> None:
    counts = StageCounts()
    expected = 0
    highest: dict[str, int] = {}
    for topic, offset in places:
        new = offset > highest.get(topic, -1)
        assert add(counts, topic, offset, done(vectors=2, calls=3)) == new
        highest[topic] = max(offset, highest.get(topic, -1))
        expected += new
    assert (counts.sent, counts.vectors, counts.calls) == (expected, 2 * expected, 3 * expected)
    assert counts.through == highest


def test_each_verdict_has_its_own_count() -> None:
    counts = StageCounts()
    verdicts: list[Verdict] = ["sent", "skipped", "skipped", "failed", "repeated", "repeated", "repeated"]
    for offset, verdict in enumerate(verdicts):
        add(counts, "t", offset, done(verdict))
    assert (counts.sent, counts.skipped, counts.failed, counts.repeated) == (1, 2, 1, 3)


async def test_counts_are_an_entry_for_each_stage_and_import() -> None:
    bench = LedgerBench()
    other = Outcome("sent", account="acme", import_id="i2")
    live = Outcome("sent", account="acme")
    await bench.count((at(0), done()), (at(1), other), (at(2), done("failed")), (at(3), live))
    assert (bench.counts().sent, bench.counts().failed, bench.counts().through) == (1, 1, {BACKFILL: 2})
    assert bench.counts(progress_key("enrich", "acme", "i2")).sent == 1
    assert len(bench.tables["progress"].entries) == 2  # live changes belong to no import


async def test_counts_go_on_from_the_table_after_a_crash() -> None:
    bench = LedgerBench()
    await bench.count((at(0), done()), (at(1), done()))
    again = ProgressLedger(bench.producer, bench.tables, 8)  # type: ignore[arg-type]
    bench.ledger = again
    await bench.count((at(1), done("repeated")), (at(2), done()))
    assert (bench.counts().sent, bench.counts().repeated, bench.counts().through) == (3, 0, {BACKFILL: 2})


async def test_what_has_changed_is_published_once() -> None:
    bench = LedgerBench()
    await bench.count((at(0), done()), (at(1), done()))
    await bench.ledger.publish()
    await bench.ledger.publish()
    (record,) = bench.producer.on(IMPORT_PROGRESS)
    assert (record.key, record.partition) == (b"acme", account_partition("acme", 8))
    (message,) = bench.producer.messages(StageProgress)
    assert (message.account, message.import_id, message.stage, message.partition) == (
        "acme",
        "i1",
        "enrich",
        3,
    )
    assert message.counts.sent == 2
    await bench.count((at(2), done()))
    await bench.ledger.publish()
    assert bench.producer.messages(StageProgress)[-1].counts.sent == 3


async def test_what_could_not_be_published_is_published_later() -> None:
    bench = LedgerBench()
    await bench.count((at(0), done()))
    bench.producer.failures = 1
    await bench.ledger.publish()
    assert bench.producer.sent == []
    await bench.ledger.publish()
    assert bench.producer.messages(StageProgress)[0].counts.sent == 1


async def test_new_partitions_bring_their_counts_and_old_ones_are_forgotten() -> None:
    bench = LedgerBench()
    await bench.count((at(0), done()), partition=3)
    await bench.tables["progress"].put(4, [(KEY, StageCounts(sent=40, through={BACKFILL: 50}))])
    # Another worker counted on meanwhile.
    await bench.tables["progress"].put(3, [(KEY, StageCounts(sent=9, through={BACKFILL: 9}))])
    await bench.ledger.take(frozenset({3, 4}), frozenset())
    await bench.ledger.publish()
    sent = {(m.partition, m.counts.sent) for m in bench.producer.messages(StageProgress)}
    assert sent == {(3, 9), (4, 40)}
    await bench.count((at(9), done()), (at(10), done()))
    assert bench.counts().sent == 10


async def test_a_rebalance_while_kafka_is_away_stops_nothing() -> None:
    bench = LedgerBench()
    await bench.count((at(0), done()), partition=3)
    await bench.tables["progress"].put(4, [(KEY, StageCounts(sent=40, through={BACKFILL: 50}))])
    bench.producer.failures = 1
    bench.producer.gate.clear()
    publishing = asyncio.create_task(bench.ledger.publish())
    await settle()
    await bench.ledger.take(frozenset({4}), frozenset())
    bench.producer.gate.set()
    await publishing
    await bench.ledger.publish()
    assert [m.partition for m in bench.producer.messages(StageProgress)] == [4]


async def test_it_publishes_every_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_PUBLISH_SECONDS", 0)
    bench = LedgerBench()
    running = asyncio.create_task(bench.ledger.run())
    await bench.count((at(0), done()))
    await until(lambda: len(bench.producer.sent) == 1)
    bench.producer.failures = 2
    await bench.count((at(1), done()))
    await until(lambda: len(bench.producer.sent) == 2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
