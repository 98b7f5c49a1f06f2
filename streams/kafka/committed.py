"""How far the pipeline has come, seen from the broker: end offsets and committed offsets."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from types import TracebackType
from typing import NamedTuple, Self

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from schemas.cluster import Cluster
from schemas.errors import UnavailableError
from schemas.topics import APP_ID
from streams.kafka import clients
from streams.kafka.client import stop_consumer

_POLL_COMMITTED_SECONDS = 0.3


class Waiting(NamedTuple):
    """A partition's messages that are not acknowledged: from an offset to before another."""

    acknowledged: int
    end: int

    @property
    def messages(self) -> int:
        """How many they are; a compacted topic may hold fewer."""
        return max(0, self.end - self.acknowledged)


class CommittedOffsets:
    """Reads offsets of the pipeline's topics; an async context manager."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def __aenter__(self) -> Self:
        self._admin = clients.admin(self._cluster)
        self._consumer = clients.consumer(self._cluster)
        try:
            await self._admin.start()
            await self._consumer.start()
        except (KafkaError, OSError) as error:
            await self._close()
            raise UnavailableError(f"Kafka at {self._cluster} cannot be reached: {error}") from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        await stop_consumer(self._consumer)
        await self._admin.close()

    async def ends(self, topic: str) -> dict[TopicPartition, int]:
        """Return the offset after the last message, for each partition that holds any."""
        places = [TopicPartition(topic, partition) for partition in range(self._cluster.partitions)]
        try:
            begins = await self._consumer.beginning_offsets(places)
            ends = await self._consumer.end_offsets(places)
        except KafkaError as error:
            raise UnavailableError(f"Kafka does not tell the end of {topic}: {error!r}") from error
        return {place: end for place, end in ends.items() if end > begins[place]}

    async def passed(self, ends: Mapping[TopicPartition, int]) -> bool:
        """Return whether the pipeline has acknowledged everything before these offsets."""
        try:
            committed = await self._admin.list_consumer_group_offsets(APP_ID, partitions=list(ends))
        except KafkaError as error:
            raise UnavailableError(f"Kafka does not tell what was acknowledged: {error!r}") from error
        return all(place in committed and committed[place].offset >= end for place, end in ends.items())

    async def unacknowledged(self, places: Collection[TopicPartition]) -> dict[TopicPartition, Waiting]:
        """Return what the pipeline has not acknowledged of these partitions."""
        wanted = list(places)
        try:
            # Committed first: what comes in between makes the lag larger, never negative.
            committed = await self._admin.list_consumer_group_offsets(APP_ID, partitions=wanted)
            begins = await self._consumer.beginning_offsets(wanted)
            ends = await self._consumer.end_offsets(wanted)
        except (KafkaError, OSError) as error:
            raise UnavailableError(f"Kafka does not tell how far the pipeline is: {error!r}") from error
        return {
            place: Waiting(max(begins[place], committed[place].offset if place in committed else 0), end)
            for place, end in ends.items()
        }

    async def end(self, place: TopicPartition) -> int:
        """Return the offset after the last message of a partition."""
        try:
            ends = await self._consumer.end_offsets([place])
        except (KafkaError, OSError) as error:
            raise UnavailableError(f"Kafka does not tell the end of {place.topic}: {error!r}") from error
        return int(ends[place])

    async def wait_for(self, topic: str) -> None:
        """Wait until everything that is on a topic now has been acknowledged."""
        ends = await self.ends(topic)
        while ends and not await self.passed(ends):
            await asyncio.sleep(_POLL_COMMITTED_SECONDS)
