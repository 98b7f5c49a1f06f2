"""What a table promises, in memory and on RocksDB with a changelog on Kafka."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager

import pytest

from agents.app.tables import StateTable
from schemas.errors import UnavailableError
from schemas.messages.tickets import Origin
from schemas.tables import SeenTicket


def entry(version: int) -> SeenTicket:
    return SeenTicket(version, "d", Origin("t", 0, version))


class TableBehaviour(ABC):
    """Whoever inherits it has a fixture ``table``, empty at the beginning of each test."""

    @abstractmethod
    def away(self) -> AbstractAsyncContextManager[None]:
        """Have Kafka be away meanwhile."""

    async def test_what_is_put_can_be_got_in_its_own_partition(self, table: StateTable[SeenTicket]) -> None:
        await table.put(1, [(b"a", entry(1)), (b"b", entry(2))])
        assert table.get(1, b"a") == entry(1)
        assert table.get(1, b"c") is None
        for look in (
            table.get(2, b"a"),
            table.items(2),
            table.find(2, lambda *_: True, 9),
            table.starting_with(2, b"a"),
        ):
            assert not look

    async def test_of_several_entries_for_a_key_the_last_counts(self, table: StateTable[SeenTicket]) -> None:
        await table.put(1, [(b"a", entry(1)), (b"b", entry(5)), (b"c", entry(6)), (b"a", entry(2))])
        await table.put(1, [(b"b", None), (b"b", entry(7)), (b"c", entry(8)), (b"c", None)])
        assert table.items(1) == [(b"a", entry(2)), (b"b", entry(7))]

    async def test_none_deletes_in_its_own_partition(self, table: StateTable[SeenTicket]) -> None:
        await table.put(1, [(b"a", entry(1)), (b"b", entry(2))])
        await table.put(2, [(b"a", entry(3))])
        await table.put(1, [(b"a", None), (b"never there", None)])
        assert table.get(1, b"a") is None
        assert [key for key, _ in table.items(1)] == [b"b"]
        assert table.get(2, b"a") == entry(3)

    async def test_entries_come_in_the_order_of_their_keys(self, table: StateTable[SeenTicket]) -> None:
        await table.put(1, [(b"acme:2", entry(2)), (b"acme:10", entry(10))])
        await table.put(1, [(b"acme:1", entry(1)), (b"\xff", entry(255)), (b"", entry(0))])
        keys = [b"", b"acme:1", b"acme:10", b"acme:2", b"\xff"]
        assert [key for key, _ in table.items(1)] == keys
        assert table.find(1, lambda *_: True, 9) == keys
        assert [key for key, _ in table.starting_with(1, b"acme:1")] == [b"acme:1", b"acme:10"]

    async def test_find_reads_no_further_than_it_has_to(self, table: StateTable[SeenTicket]) -> None:
        await table.put(1, [(b"%d" % number, entry(number)) for number in range(6)])
        asked: list[bytes] = []

        def is_even(key: bytes, found: SeenTicket) -> bool:
            asked.append(key)
            return found.version % 2 == 0

        assert table.find(1, is_even, 2) == [b"0", b"2"]
        assert asked == [b"0", b"1", b"2"]
        assert table.find(1, is_even, 9) == [b"0", b"2", b"4"]

    async def test_a_prefix_finds_what_begins_with_it_and_nothing_else(
        self, table: StateTable[SeenTicket]
    ) -> None:
        keys = [b"a", b"a#1", b"a#2", b"a$", b"b"]
        await table.put(1, [(key, entry(number)) for number, key in enumerate(keys)])
        assert table.starting_with(1, b"a#") == [(b"a#1", entry(1)), (b"a#2", entry(2))]
        assert table.starting_with(1, b"c") == []
        assert [key for key, _ in table.starting_with(1, b"")] == keys

    async def test_an_entry_is_a_copy(self, table: StateTable[SeenTicket]) -> None:
        mine = entry(1)
        await table.put(1, [(b"a", mine)])
        mine.version = 7
        found = table.get(1, b"a")
        assert found == entry(1)
        found.version = 8
        assert table.get(1, b"a") == entry(1)

    async def test_without_the_broker_s_word_all_stays_as_it_was(self, table: StateTable[SeenTicket]) -> None:
        await table.put(1, [(b"a", entry(1)), (b"b", entry(1))])
        async with self.away():
            with pytest.raises(UnavailableError):
                await table.put(1, [(b"a", entry(2)), (b"b", None), (b"c", entry(2))])
        assert table.items(1) == [(b"a", entry(1)), (b"b", entry(1))]
        await table.put(1, [(b"a", entry(2))])
        assert table.get(1, b"a") == entry(2)

    async def test_nothing_to_put_asks_nobody(self, table: StateTable[SeenTicket]) -> None:
        async with self.away():
            await table.put(1, [])
