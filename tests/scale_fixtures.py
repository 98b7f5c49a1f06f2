"""Topics in memory whose keys move."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition

from streams.kafka.messages import Record
from streams.kafka.offset_ranges import Batch, OffsetRange

HEADERS = (("schema", b"enriched-ticket/1"), ("traceparent", b"00-1-2-01"))


class Topics:
    """Compacted topics in memory: reader and producer. ``fails_at`` messages are taken, the next are not."""

    def __init__(self) -> None:
        self.held: dict[TopicPartition, list[Any]] = {}
        self.fails_at: int | None = None

    def put(
        self, topic: str, partition: int, key: bytes, value: bytes | None, headers: Any = HEADERS
    ) -> None:
        held = self.held.setdefault(TopicPartition(topic, partition), [])
        held.append(
            SimpleNamespace(
                topic=topic, partition=partition, offset=len(held), key=key, value=value, headers=headers
            )
        )

    async def __aenter__(self) -> Topics:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def send(self, records: Sequence[Record]) -> None:
        for record in records:
            if self.fails_at is not None:
                self.fails_at -= 1
                if self.fails_at < 0:
                    raise ConnectionError("killed")
            self.put(*record)

    def whole(self) -> dict[TopicPartition, OffsetRange]:
        """Return all there is."""
        return {place: OffsetRange(0, 0, len(held)) for place, held in self.held.items()}

    async def spans(
        self, topics: Sequence[str], partitions: Sequence[int]
    ) -> dict[TopicPartition, OffsetRange]:
        places = [TopicPartition(topic, number) for topic in topics for number in partitions]
        return {place: OffsetRange(0, 0, len(self.held.get(place, ()))) for place in places}

    async def read(self, spans: Mapping[TopicPartition, OffsetRange]) -> AsyncIterator[Batch]:
        for place, span in spans.items():
            for first in range(span.next, span.end, 3):
                yield Batch(self.held[place][first : min(first + 3, span.end)], {})

    def live(self, topic: str) -> dict[tuple[bytes, int], Any]:
        live = {}
        for place, held in self.held.items():
            if place.topic == topic:
                newest = {raw.key: raw for raw in held}
                live |= {(key, place.partition): raw for key, raw in newest.items() if raw.value is not None}
        return live
