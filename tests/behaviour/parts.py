"""What a reader of a large ticket's parts promises, in memory and on a broker."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import pytest
from msgspec.structs import replace

from agents.knowledge.parts import ReadsParts
from schemas.ids import digest
from schemas.parts import PartRef, Parts
from schemas.tables import part_message_key
from streams.kafka.messages import Record
from streams.kafka.part_reader import PartsMissingError

TOPIC = "behaviour.parts"
KEY = b"acme:7"
VALUES = [f"part {number}".encode() for number in range(5)]


class PartsBehaviour(ABC):
    """Whoever inherits it has a fixture ``reader``, and for it the topic TOPIC of three partitions."""

    @abstractmethod
    async def sent(self, record: Record) -> int:
        """Send a record and return its offset."""

    async def parts(self, partition: int, name: str) -> Parts:
        """Send all parts, with messages of another ticket between them."""
        refs = []
        for number, value in enumerate(VALUES):
            await self.sent(Record(TOPIC, partition, b"acme:8", b"another ticket"))
            offset = await self.sent(Record(TOPIC, partition, part_message_key(KEY, name, number), value))
            refs.append(PartRef(offset, digest(value)))
        return Parts(name, partition, refs)

    async def test_parts_come_in_their_order_from_any_on(self, reader: ReadsParts) -> None:
        parts = await self.parts(0, "whole")
        for start in (0, 3, len(VALUES)):
            found = [value async for value in reader.read(TOPIC, 0, KEY, parts, start)]
            assert found == VALUES[start:]

    async def test_parts_that_moved_with_their_ticket_are_found(self, reader: ReadsParts) -> None:
        moved = replace(await self.parts(1, "moved"), partition=2)
        assert [value async for value in reader.read(TOPIC, 1, KEY, moved)] == VALUES

    async def test_a_part_that_is_not_there_is_told_after_those_that_are_lost_with_it(
        self, reader: ReadsParts
    ) -> None:
        parts = await self.parts(0, "lacking")
        parts.refs[3] = replace(parts.refs[3], digest=digest(b"was never sent"))
        found: list[Any] = []
        with pytest.raises(PartsMissingError):
            async for value in reader.read(TOPIC, 0, KEY, parts):
                found.append(value)  # noqa: PERF401 (what came before the error counts)
        assert found == VALUES[:3]
