"""How far a replay has come."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from aiokafka import TopicPartition

from streams.kafka.offset_ranges import OffsetRange


class ReplayCursor(msgspec.Struct):
    """How far a replay is: its collection, its round, and its spans by ``topic/partition``."""

    collection: str
    spans: dict[str, OffsetRange]
    round: int = 0

    @property
    def places(self) -> dict[TopicPartition, OffsetRange]:
        """The spans by topic and partition."""
        pairs = ((name.rpartition("/"), span) for name, span in self.spans.items())
        return {TopicPartition(topic, int(number)): span for (topic, _, number), span in pairs}


def named(spans: Mapping[TopicPartition, OffsetRange]) -> dict[str, OffsetRange]:
    """Return spans as a cursor keeps them."""
    return {f"{place.topic}/{place.partition}": span for place, span in spans.items()}
