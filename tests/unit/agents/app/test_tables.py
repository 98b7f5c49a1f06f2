"""Tables: the changelog first, then the store, in the partition that the caller names."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from agents.app.tables import StateTable, Tables
from schemas.errors import UnavailableError
from schemas.messages.tickets import Origin
from schemas.tables import TABLES, LiveCursor, SeenTicket
from streams.testing import InMemoryProducer, settle

CHANGELOG = "ticketstream-seen-changelog"


class FakeDb(dict[bytes, bytes]):
    def delete(self, key: bytes) -> None:
        self.pop(key, None)


class FakeStore:
    """The RocksDB store as the tables see it."""

    def __init__(self) -> None:
        self.dbs: dict[int, FakeDb] = {}
        self.offsets: dict[TP, int] = {}

    def _db_for_partition(self, partition: int) -> FakeDb:
        return self.dbs.setdefault(partition, FakeDb())

    def _visible_items(self, db: FakeDb) -> list[tuple[bytes, bytes]]:
        return list(db.items())

    def write(self, place: TP, entries: Iterable[tuple[bytes, bytes | None]], offset: int) -> None:
        db = self._db_for_partition(place.partition)
        for key, value in entries:
            if value is None:
                db.delete(key)
            else:
                db[key] = value
        self.offsets[place] = offset


class FakeApp:
    def __init__(self) -> None:
        self.consumer_generation_id = 1
        self.tables: dict[str, Any] = {}
        self.store = FakeStore()

    def Table(self, name: str, **options: Any) -> Any:  # noqa: N802
        self.tables[name] = options
        return SimpleNamespace(data=self.store)


class Desk:
    def __init__(self) -> None:
        self.app = FakeApp()
        self.producer = InMemoryProducer()
        self.table: StateTable[SeenTicket] = StateTable(
            self.app,  # type: ignore[arg-type]
            self.producer,  # type: ignore[arg-type]
            "seen",
            SeenTicket,
            8,
        )


def entry(version: int) -> SeenTicket:
    return SeenTicket(version, "d", Origin("t", 0, version))


async def test_what_is_put_can_be_got_in_its_own_partition() -> None:
    desk = Desk()
    await desk.table.put(3, [(b"a", entry(1)), (b"b", entry(2))])
    assert desk.table.get(3, b"a") == entry(1)
    assert desk.table.get(4, b"a") is None
    assert desk.table.items(3) == [(b"a", entry(1)), (b"b", entry(2))]
    assert desk.table.items(4) == []
    assert {(r.topic, r.partition, r.key) for r in desk.producer.sent} == {
        (CHANGELOG, 3, b"a"),
        (CHANGELOG, 3, b"b"),
    }
    # Recovery goes on behind what the store has.
    assert desk.app.store.offsets == {TP(CHANGELOG, 3): 1}


async def test_the_store_is_written_after_the_changelog_is_acknowledged() -> None:
    desk = Desk()
    desk.producer.gate.clear()
    putting = asyncio.create_task(desk.table.put(3, [(b"a", entry(1))]))
    await settle()
    assert desk.table.get(3, b"a") is None
    desk.producer.gate.set()
    await putting
    assert desk.table.get(3, b"a") == entry(1)


async def test_without_the_broker_s_word_the_store_stays_as_it_was() -> None:
    desk = Desk()
    await desk.table.put(3, [(b"a", entry(1))])
    desk.producer.failures = 1
    with pytest.raises(UnavailableError):
        await desk.table.put(3, [(b"a", entry(2)), (b"b", entry(2))])
    assert desk.table.items(3) == [(b"a", entry(1))]
    assert desk.app.store.offsets == {TP(CHANGELOG, 3): 0}


async def test_after_a_rebalance_the_store_is_left_to_its_next_owner() -> None:
    desk = Desk()
    desk.producer.gate.clear()
    putting = asyncio.create_task(desk.table.put(3, [(b"a", entry(1))]))
    await settle()
    desk.app.consumer_generation_id = 2
    desk.producer.gate.set()
    await putting
    assert desk.table.items(3) == []
    assert desk.app.store.offsets == {}
    assert len(desk.producer.sent) == 1


async def test_none_deletes_and_leaves_a_tombstone() -> None:
    desk = Desk()
    await desk.table.put(3, [(b"a", entry(1))])
    await desk.table.put(3, [(b"a", None)])
    assert desk.table.get(3, b"a") is None
    assert desk.producer.sent[-1].value is None


async def test_of_several_entries_for_a_key_the_last_counts() -> None:
    desk = Desk()
    await desk.table.put(3, [(b"a", entry(1)), (b"b", entry(5)), (b"a", entry(2))])
    assert len(desk.producer.sent) == 2
    assert desk.table.get(3, b"a") == entry(2)


async def test_nothing_to_put_is_nothing_to_send() -> None:
    desk = Desk()
    await desk.table.put(3, [])
    assert desk.producer.calls == 0


async def test_all_tables_are_there_with_their_types() -> None:
    desk = Desk()
    tables = Tables(desk.app, desk.producer, 8)  # type: ignore[arg-type]
    assert {tables[name].name for name in TABLES} == set(TABLES)
    assert desk.app.tables["cursors"]["partitions"] == 8
    assert tables["cursors"].changelog == "ticketstream-cursors-changelog"
    with pytest.raises(KeyError):
        tables["other"]
    assert LiveCursor is TABLES["cursors"]
