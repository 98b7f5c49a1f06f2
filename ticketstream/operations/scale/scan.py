"""Finds the messages that move: the newest of each key whose partition changes."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec
from aiokafka import TopicPartition

from streams.kafka.offset_ranges import OffsetRange, RangeReader
from ticketstream.operations.progress import CountHook
from ticketstream.operations.scale.homes import Change

_AT_ONCE: Final = 250_000
"""Messages of the partitions that are looked through together; a key takes some 150 bytes meanwhile."""


class Found(msgspec.Struct):
    """What moves of one partition: offsets in order, eight bytes each, and the bytes of their messages."""

    end: int
    offsets: array[int]
    bytes: int = 0


class Scan:
    """Looks through partitions, each again only if it has grown since."""

    def __init__(self, change: Change) -> None:
        self._change = change
        self.found: dict[TopicPartition, Found] = {}

    @property
    def keys(self) -> int:
        """How many messages move."""
        return sum(len(found.offsets) for found in self.found.values())

    async def look(
        self, reader: RangeReader, spans: Mapping[TopicPartition, OffsetRange], counted: CountHook
    ) -> None:
        """Look through these parts of the partitions."""
        fresh = {
            place: span
            for place, span in spans.items()
            if place not in self.found or self.found[place].end != span.end
        }
        for group in groups(fresh):
            newest: dict[TopicPartition, dict[bytes, tuple[int, int]]] = {place: {} for place in group}
            async for batch in reader.read(group):
                for raw in batch.records:
                    place = TopicPartition(raw.topic, raw.partition)
                    if self._change.target(raw.key, raw.partition) is None:
                        continue
                    if raw.value is None:
                        newest[place].pop(raw.key, None)
                    else:
                        newest[place][raw.key] = (raw.offset, len(raw.value))
                counted(len(batch.records))
            for place, keys in newest.items():
                offsets = array("q", sorted(offset for offset, _ in keys.values()))
                self.found[place] = Found(group[place].end, offsets, sum(size for _, size in keys.values()))


def groups(spans: Mapping[TopicPartition, OffsetRange]) -> Iterator[dict[TopicPartition, OffsetRange]]:
    """Yield the spans that hold anything, some at a time: few messages together, many by themselves."""
    group: dict[TopicPartition, OffsetRange] = {}
    held = 0
    for place, span in spans.items():
        messages = span.end - span.next
        if messages <= 0:
            continue
        if group and held + messages > _AT_ONCE:
            yield group
            group, held = {}, 0
        group[place] = span
        held += messages
    if group:
        yield group


def messages_of(spans: Iterable[OffsetRange]) -> int:
    """Return how many messages the spans hold at most."""
    return sum(max(0, span.end - span.next) for span in spans)
