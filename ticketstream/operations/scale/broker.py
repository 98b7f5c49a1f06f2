"""What a change of the number of partitions asks of Kafka's administration."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from types import TracebackType
from typing import Any, Final, Self

from aiokafka import TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.errors import CommitFailedError, KafkaError, for_code

from schemas.cluster import Cluster
from schemas.errors import ConflictError, UnavailableError
from schemas.scaling import scale_marker, scale_under_way
from schemas.topics import APP_ID
from streams.kafka import clients
from streams.kafka.client import stop_consumer
from streams.kafka.group_members import members_of
from streams.kafka.topic_admin import described, grow_topic, make_topics
from streams.kafka.topic_reader import unreachable
from streams.kafka.topics import replicas_of, topic_configs
from ticketstream.operations.scale.homes import Change

_MARKER_CONFIG: Final = {"cleanup.policy": "delete", "retention.ms": "-1"}
_SEEN_SECONDS: Final = 60.0
_POLL_BROKER_SECONDS: Final = 0.1
_UNKNOWN_TOPIC: Final = 3


class Broker:
    """Kafka's administration; an async context manager. Every call raises UnavailableError."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._admin = clients.admin(cluster, timeout=30)

    async def __aenter__(self) -> Self:
        await self._called(self._admin.start())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._admin.close()

    async def _called(self, call: Any) -> Any:
        try:
            return await call
        except (KafkaError, OSError, TimeoutError) as error:
            raise unreachable(self._cluster, error) from error

    async def counts(self) -> dict[str, int]:
        """Return the number of partitions of each of our topics and changelogs that exists."""
        found = await self._called(described(self._admin))
        return {name: len(found[name]) for name in topic_configs() if name in found}

    async def under_way(self) -> Change | None:
        """Return the change that has begun and not ended."""
        found = scale_under_way(await self._called(self._admin.list_topics()))
        return None if found is None else Change(*found)

    async def begin(self, change: Change) -> None:
        """Note that a change has begun: from now on nobody starts to work."""
        await self._create(
            [NewTopic(scale_marker(*change), 1, await self._replicas(), topic_configs=_MARKER_CONFIG)]
        )

        async def seen() -> bool:
            return await self.under_way() == change

        await self._until(seen, f"the topic {scale_marker(*change)}")

    async def end(self, change: Change) -> None:
        """Note that a change has ended."""
        answer = await self._called(self._admin.delete_topics([scale_marker(*change)]))
        for topic, code in answer.topic_error_codes:
            if code not in (0, _UNKNOWN_TOPIC):
                raise UnavailableError(
                    f"Kafka refuses to delete the topic {topic}: {for_code(code).__name__}"
                )

        async def gone() -> bool:
            return await self.under_way() is None

        await self._until(gone, f"the end of the topic {scale_marker(*change)}")

    async def grow(self, partitions: int) -> None:
        """Give every topic so many partitions, and make those that are missing."""
        counts, configs = await self.counts(), topic_configs()
        replicas = await self._replicas()
        await self._create(
            [
                NewTopic(name, partitions, replicas, topic_configs=config)
                for name, config in configs.items()
                if name not in counts
            ]
        )
        for name, count in counts.items():
            if count < partitions:
                await self._called(grow_topic(self._admin, name, partitions))

        async def ready() -> bool:
            found = await self._called(described(self._admin))
            led = {name: sum(one["leader"] >= 0 for one in found[name]) for name in configs if name in found}
            return len(led) == len(configs) and set(led.values()) == {partitions}

        await self._until(ready, f"{partitions} partitions of every topic")

    async def workers(self) -> list[str]:
        """Return the client id and host of each worker."""
        return await self._called(members_of(self._admin))  # type: ignore[no-any-return]

    async def acknowledge(self, topics: Collection[str], partitions: int) -> dict[TopicPartition, int]:
        """Have the workers go on behind all there is on these topics; nobody may be at work.

        Returns the offsets from which they go on. Raises ConflictError when a worker is.
        """
        places = [TopicPartition(topic, number) for topic in topics for number in range(partitions)]
        consumer = clients.consumer(self._cluster, group_id=APP_ID)
        try:
            await consumer.start()
            consumer.assign(places)
            ends: Mapping[TopicPartition, int] = await consumer.end_offsets(places)
            await consumer.commit(dict(ends))
            return dict(ends)
        except CommitFailedError as error:
            raise ConflictError("a worker has started meanwhile: stop it, then run this again") from error
        except (KafkaError, OSError, TimeoutError) as error:
            raise unreachable(self._cluster, error) from error
        finally:
            await stop_consumer(consumer)

    async def _replicas(self) -> int:
        return int(await self._called(replicas_of(self._admin)))

    async def _create(self, topics: list[NewTopic]) -> None:
        await self._called(make_topics(self._admin, topics))

    async def _until(self, condition: Any, what: str) -> None:
        try:
            async with asyncio.timeout(_SEEN_SECONDS):
                while not await condition():
                    await asyncio.sleep(_POLL_BROKER_SECONDS)
        except TimeoutError:
            raise UnavailableError(
                f"Kafka at {self._cluster} does not show after {_SEEN_SECONDS:.0f} s: {what}"
            ) from None
