"""Reading parts back: where they were sent, where they have moved to, and what is none of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from schemas.errors import UnavailableError
from schemas.ids import digest
from schemas.parts import PartRef, Parts
from schemas.tables import part_message_key
from streams.kafka import part_reader
from streams.kafka.offset_ranges import Batch, OffsetRange
from streams.kafka.part_reader import PartReader, PartsMissingError

KEY = b"acme:7"
VALUES = [f"part {number}".encode() for number in range(5)]


class Kafka:
    """Holds messages by topic and partition; ``away`` is how many of the next reads fail amid it."""

    def __init__(self) -> None:
        self.logs: defaultdict[TopicPartition, list[Any]] = defaultdict(list)
        self.away = 0
        self.reads: list[OffsetRange] = []

    def add(self, partition: int, key: bytes, value: bytes | None) -> int:
        log = self.logs[TopicPartition("t", partition)]
        offset = log[-1].offset + 1 if log else 0
        log.append(SimpleNamespace(offset=offset, key=key, value=value))
        return offset

    def parts(self, partition: int = 0, name: str = "s") -> Parts:
        """Add all parts, with messages of others between them."""
        refs = []
        for number, value in enumerate(VALUES):
            self.add(partition, b"acme:8", b"another ticket")
            offset = self.add(partition, part_message_key(KEY, name, number), value)
            refs.append(PartRef(offset, digest(value)))
        return Parts(name, partition, refs)

    def __call__(self, _: str) -> Kafka:
        return self

    async def __aenter__(self) -> Kafka:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def spans(
        self, topics: Iterable[str], partitions: Iterable[int]
    ) -> dict[TopicPartition, OffsetRange]:
        places = [TopicPartition(topic, number) for topic in topics for number in partitions]
        ends = {place: self.logs[place][-1].offset + 1 if self.logs[place] else 0 for place in places}
        return {place: OffsetRange(0, 0, end) for place, end in ends.items()}

    async def read(self, spans: Mapping[TopicPartition, OffsetRange]) -> AsyncIterator[Batch]:
        for place, span in spans.items():
            self.reads.append(span)
            found = [one for one in self.logs[place] if span.next <= one.offset < span.end]
            for start in range(0, len(found), 3):
                if start and self.away:
                    self.away -= 1
                    raise UnavailableError("away")
                yield Batch(found[start : start + 3], {})


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    made = Kafka()
    monkeypatch.setattr(part_reader, "RangeReader", made)
    monkeypatch.setattr(part_reader, "_WAIT_SECONDS", 0)
    return made


async def read(parts: Parts, partition: int = 0, start: int = 0) -> list[bytes]:
    return [value async for value in PartReader("").read("t", partition, KEY, parts, start)]


async def test_parts_are_read_where_they_were_sent(kafka: Kafka) -> None:
    parts = kafka.parts()
    kafka.parts(name="another set")
    assert await read(parts) == VALUES
    assert await read(parts, start=3) == VALUES[3:]
    assert kafka.reads[-1].next == parts.refs[3].offset
    assert await read(parts, start=5) == []


async def test_it_goes_on_after_kafka_was_away(kafka: Kafka) -> None:
    parts = kafka.parts()
    kafka.away = 2
    assert await read(parts) == VALUES


@pytest.mark.parametrize("emptied", [True, False])
async def test_parts_that_moved_are_found_by_their_keys(kafka: Kafka, emptied: bool) -> None:
    parts = kafka.parts()
    for _ in range(2):  # a move that was interrupted is done again
        for number, value in enumerate(VALUES):
            kafka.add(3, part_message_key(KEY, "s", number), value)
            kafka.add(3, part_message_key(KEY, "older", number), value)
    if emptied:
        kafka.logs[TopicPartition("t", 0)].clear()
    else:  # the log has been made anew: other messages lie at these offsets
        for one in kafka.logs[TopicPartition("t", 0)]:
            one.value = b"something else"
    assert await read(parts, partition=3) == VALUES
    assert await read(parts, partition=3, start=2) == VALUES[2:]


@pytest.mark.parametrize("loss", ["gone", "another", "deleted", "all"])
async def test_what_is_lost_is_named(kafka: Kafka, loss: str) -> None:
    parts = kafka.parts()
    log = kafka.logs[TopicPartition("t", 0)]
    lost = next(one for one in log if one.value == VALUES[2])
    if loss == "gone":
        log.remove(lost)
    elif loss == "all":
        log.clear()
    else:
        lost.value = b"part two" if loss == "another" else None
    found: list[bytes] = []
    reading = PartReader("").read("t", 0, KEY, parts)
    with pytest.raises(PartsMissingError, match=r"part \d of 5 of ticket 7 is not on t"):
        while True:
            found.append(await anext(reading))
    assert found == ([] if loss == "all" else VALUES[:2])
