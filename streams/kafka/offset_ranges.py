"""Reads spans of partitions, from an offset to an end fixed beforehand, without a consumer group."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import msgspec
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from schemas.cluster import Cluster
from schemas.errors import UnavailableError
from streams.kafka import clients
from streams.kafka.client import stop_consumer

_FETCH_MS: Final = 500
_RECORDS: Final = 500
_FETCH_BYTES: Final = 1024 * 1024


class OffsetRange(msgspec.Struct):
    """A part of a partition: ``next`` is the first offset not read yet, ``end`` the one after the last."""

    start: int
    next: int
    end: int


class Batch(NamedTuple):
    """Messages in the order of their partitions, and the offset after the last read of each partition."""

    records: list[Any]
    positions: dict[TopicPartition, int]


class RangeReader:
    """Reads spans; an async context manager. Every call raises UnavailableError when Kafka is away."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def __aenter__(self) -> Self:
        self._consumer = clients.consumer(
            self._cluster,
            client_id="ticketstream-replay",
            auto_offset_reset="earliest",  # retention may have taken what was to be read
            max_partition_fetch_bytes=_FETCH_BYTES,
        )
        try:
            await self._consumer.start()
        except (KafkaError, OSError) as error:
            await stop_consumer(self._consumer)
            raise self._away(error) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await stop_consumer(self._consumer)

    async def spans(
        self, topics: Iterable[str], partitions: Iterable[int], since: int = 0
    ) -> dict[TopicPartition, OffsetRange]:
        """Return all there is now, or from the first message put there ``since`` (Unix seconds) on."""
        numbers = list(partitions)
        places = [TopicPartition(topic, number) for topic in topics for number in numbers]
        try:
            begins = await self._consumer.beginning_offsets(places)
            ends = await self._consumer.end_offsets(places)
            if since:
                found = await self._consumer.offsets_for_times(dict.fromkeys(places, since * 1000))
                begins = {place: found[place].offset if found.get(place) else ends[place] for place in places}
        except (KafkaError, OSError) as error:
            raise self._away(error) from error
        return {place: OffsetRange(begins[place], begins[place], ends[place]) for place in places}

    async def read(self, spans: Mapping[TopicPartition, OffsetRange]) -> AsyncIterator[Batch]:
        """Yield what has not been read yet, batch by batch, each partition in order.

        The spans stay as they are: the caller moves them on once a batch has been dealt with.
        """
        left = {place: span.end for place, span in spans.items() if span.next < span.end}
        self._consumer.assign(list(left))
        for place in left:
            self._consumer.seek(place, spans[place].next)
        while left:
            try:
                found = await self._consumer.getmany(*left, timeout_ms=_FETCH_MS, max_records=_RECORDS)
                # Compaction leaves holes: positions tell how far it is, not the offsets seen.
                ahead = {place: await self._consumer.position(place) for place in left}
            except (KafkaError, OSError) as error:
                raise self._away(error) from error
            records = [one for place, some in found.items() for one in some if one.offset < left[place]]
            positions = {place: min(position, left[place]) for place, position in ahead.items()}
            yield Batch(records, positions)
            for place, position in positions.items():
                if position == left[place]:
                    self._consumer.pause(place)
                    del left[place]

    def _away(self, error: BaseException) -> UnavailableError:
        return UnavailableError(f"Kafka at {self._cluster} cannot be read: {error!r}")
