"""Tables on RocksDB: the changelog first, then the store, in the partition that the caller names."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from faust.types import TP

from agents.app.tables import StateTable, Tables
from agents.testing import an_app
from schemas.errors import UnavailableError
from schemas.tables import TABLES, LiveCursor, SeenTicket
from streams.testing import InMemoryProducer, settle
from tests.behaviour.table import TableBehaviour, entry

CHANGELOG = "ticketstream-seen-changelog"


class TableBench:
    """A table of an app that has not started; what it sends stays in memory."""

    def __init__(self, folder: Path) -> None:
        self.app: Any = an_app(folder)
        self.producer = InMemoryProducer()
        self.table: StateTable[SeenTicket] = StateTable(
            self.app,
            self.producer,  # type: ignore[arg-type]
            "seen",
            SeenTicket,
            8,
        )

    def recovers_behind(self, partition: int) -> int | None:
        """Return the offset behind which a recovery of the partition goes on; None: at the beginning."""
        offset: int | None = self.app.tables["seen"].data.persisted_offset(TP(CHANGELOG, partition))
        return offset


@pytest.fixture
async def bench(tmp_path: Path) -> TableBench:
    return TableBench(tmp_path)


class TestStateTable(TableBehaviour):
    @pytest.fixture
    def table(self, bench: TableBench) -> StateTable[SeenTicket]:
        self.producer = bench.producer
        return bench.table

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        self.producer.failures = 1_000
        yield
        self.producer.failures = 0


async def test_entries_are_sent_to_the_changelog_in_the_partition_of_the_caller(bench: TableBench) -> None:
    await bench.table.put(3, [(b"a", entry(1)), (b"b", entry(2))])
    assert {(r.topic, r.partition, r.key) for r in bench.producer.sent} == {
        (CHANGELOG, 3, b"a"),
        (CHANGELOG, 3, b"b"),
    }
    # Recovery goes on behind what the store has.
    assert (bench.recovers_behind(3), bench.recovers_behind(4)) == (1, None)


async def test_the_store_is_written_after_the_changelog_is_acknowledged(bench: TableBench) -> None:
    bench.producer.gate.clear()
    putting = asyncio.create_task(bench.table.put(3, [(b"a", entry(1))]))
    await settle()
    assert bench.table.get(3, b"a") is None
    bench.producer.gate.set()
    await putting
    assert bench.table.get(3, b"a") == entry(1)


async def test_without_the_broker_s_word_a_recovery_reads_on_where_it_would_have(bench: TableBench) -> None:
    await bench.table.put(3, [(b"a", entry(1))])
    bench.producer.failures = 1
    with pytest.raises(UnavailableError):
        await bench.table.put(3, [(b"a", entry(2)), (b"b", entry(2))])
    assert bench.recovers_behind(3) == 0


async def test_after_a_rebalance_the_store_is_left_to_its_next_owner(bench: TableBench) -> None:
    bench.producer.gate.clear()
    putting = asyncio.create_task(bench.table.put(3, [(b"a", entry(1))]))
    await settle()
    bench.app.consumer_generation_id += 1
    bench.producer.gate.set()
    await putting
    assert bench.table.items(3) == []
    assert bench.recovers_behind(3) is None
    assert len(bench.producer.sent) == 1


async def test_a_deletion_is_a_tombstone_and_replaced_entries_are_not_sent(bench: TableBench) -> None:
    await bench.table.put(3, [(b"a", entry(1)), (b"b", entry(5)), (b"a", None)])
    assert [(sent.key, sent.value is None) for sent in bench.producer.sent] == [(b"a", True), (b"b", False)]
    await bench.table.put(3, [])
    assert bench.producer.calls == 1


async def test_all_tables_are_there_with_their_types(bench: TableBench, tmp_path: Path) -> None:
    app: Any = an_app(tmp_path / "another")
    tables = Tables(app, bench.producer, 8)  # type: ignore[arg-type]
    assert {tables[name].name for name in TABLES} == set(TABLES)
    assert {app.tables[name].partitions for name in TABLES} == {8}
    assert tables["cursors"].changelog == "ticketstream-cursors-changelog"
    with pytest.raises(KeyError):
        tables["other"]
    assert LiveCursor is TABLES["cursors"]
