"""The offsets of a topic that a replay has chosen."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

from aiokafka import TopicPartition

from streams.kafka.offset_ranges import OffsetRange


class Chosen:
    """The messages to send, by topic and partition; eight bytes each."""

    def __init__(self) -> None:
        self._offsets: dict[TopicPartition, array[int]] = {}

    def add(self, partition: int, offsets: Mapping[str, array[int]]) -> None:
        """Add those of a partition, by topic and in order."""
        for topic, some in offsets.items():
            self._offsets[TopicPartition(topic, partition)] = some

    def __contains__(self, raw: Any) -> bool:
        offsets = self._offsets.get(TopicPartition(raw.topic, raw.partition))
        if offsets is None:
            return False
        index = bisect_left(offsets, raw.offset)
        return index < len(offsets) and offsets[index] == raw.offset

    def left(self, spans: Mapping[TopicPartition, OffsetRange]) -> int:
        """Return how many lie where the spans have not been read yet."""
        return sum(
            len(offsets) - bisect_left(offsets, spans[place].next) for place, offsets in self._offsets.items()
        )
