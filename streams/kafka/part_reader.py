"""Reads a large ticket's parts back from their topic, one after another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any, Final

import structlog
from aiokafka import TopicPartition

from schemas.cluster import Cluster
from schemas.errors import PermanentError, UnavailableError
from schemas.ids import digest
from schemas.parts import PartRef, Parts
from schemas.tables import part_message_key
from streams.kafka.offset_ranges import OffsetRange, RangeReader

_WAIT_SECONDS: Final = 1.0


class PartsMissingError(PermanentError):
    """Parts that a closing mark names are not on their topic, or not as they were."""


class PartReader:
    """Reads parts with a consumer of its own for each ticket: there are few of that size."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def read(
        self, topic: str, partition: int, key: bytes, parts: Parts, start: int = 0
    ) -> AsyncGenerator[bytes, None]:
        """Yield the values of a ticket's parts from number ``start`` on.

        They are looked for where they were sent; and, as a ticket moves when partitions are added, by their
        keys in ``partition``, where the closing mark lies now. Waits for a Kafka that is away. Raises
        PartsMissingError.
        """
        place, refs = TopicPartition(topic, parts.partition), list(parts.refs)
        looked = False
        while start < len(refs):
            try:
                async with RangeReader(self._cluster) as reader:
                    async for value in _at(reader, place, refs[start:]):
                        yield value
                        start += 1
                    if start < len(refs):
                        if looked:
                            raise _missing(topic, key, start, len(refs))
                        place, looked = TopicPartition(topic, partition), True
                        refs = await _found(reader, place, key, parts, start)
            except UnavailableError as error:
                structlog.get_logger().warning("a large ticket waits for its parts", error=error)
                await asyncio.sleep(_WAIT_SECONDS)


async def _at(reader: RangeReader, place: TopicPartition, refs: Sequence[PartRef]) -> AsyncIterator[bytes]:
    """Yield the parts as far as they lie where they should, in order."""
    whole = (await reader.spans([place.topic], [place.partition]))[place]
    first, end = max(refs[0].offset, whole.start), min(refs[-1].offset + 1, whole.end)
    if first >= end:
        return
    left = iter(refs)
    wanted = next(left)
    async for batch in reader.read({place: OffsetRange(first, first, end)}):
        for raw in batch.records:
            if raw.offset < wanted.offset:
                continue
            if raw.offset > wanted.offset or digest(raw.value or b"") != wanted.digest:
                return
            yield raw.value
            following = next(left, None)
            if following is None:
                return
            wanted = following


async def _found(
    reader: RangeReader, place: TopicPartition, key: bytes, parts: Parts, start: int
) -> list[PartRef]:
    """Return where the parts lie, by their keys; those before ``start`` are not looked for."""
    wanted = {part_message_key(key, parts.set, number): number for number in range(start, len(parts.refs))}
    found: dict[int, PartRef] = {}
    spans = await reader.spans([place.topic], [place.partition])
    async for batch in reader.read(spans):
        for raw in batch.records:
            number = _number(raw, wanted)
            if number is not None and digest(raw.value or b"") == parts.refs[number].digest:
                found[number] = PartRef(raw.offset, parts.refs[number].digest)
    missing = [number for number in wanted.values() if number not in found]
    offsets = [found[number].offset for number in sorted(found)]
    if missing or offsets != sorted(offsets):
        raise _missing(place.topic, key, min(missing, default=start), len(parts.refs))
    return [*parts.refs[:start], *(found[number] for number in sorted(found))]


def _number(raw: Any, wanted: dict[bytes, int]) -> int | None:
    return None if raw.key is None else wanted.get(bytes(raw.key))


def _missing(topic: str, key: bytes, number: int, count: int) -> PartsMissingError:
    ticket = key.decode("utf-8", "replace").rpartition(":")[2]
    return PartsMissingError(
        f"part {number + 1} of {count} of ticket {ticket} is not on {topic}: `ticketstream import` or "
        f"`ticketstream replay --from changes --ticket {ticket}` reads the ticket anew"
    )
