"""Reads a topic from its beginning without a consumer group: to its present end, or following it."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable
from operator import itemgetter
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from schemas.errors import UnavailableError
from schemas.settings.load import PREFIX
from streams.kafka.client import stop_consumer
from streams.kafka.topic_admin import described

_FETCH_MS = 500


class TopicReader:
    """Reads some topics, each partition in order; an async context manager.

    ``partitions`` narrows every topic to these; None means all. With ``since`` (Unix seconds), what was put
    on the topics before is left out; with ``last``, all but the last offsets, so many, of each partition. A
    topic that does not exist yet is empty. Nothing is committed and no
    group is joined: reading changes nothing for the workers. Whichever methods are called, and in whatever
    order, every record comes once. Raises UnavailableError when Kafka is away.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        topics: Iterable[str],
        *,
        partitions: Iterable[int] | None = None,
        since: float | None = None,
        last: int | None = None,
        timeout: float = 15.0,
    ) -> None:
        self._servers = bootstrap_servers
        self._topics = list(topics)
        self._partitions = None if partitions is None else set(partitions)
        self._since = since
        self._last = last
        self._timeout_ms = round(timeout * 1000)
        self._places: list[TopicPartition] = []
        self._consumer: Any = None
        # A fetch brings what has been written behind the end that was asked for too: it is for the next read.
        self._fetched: defaultdict[TopicPartition, deque[Any]] = defaultdict(deque)

    async def __aenter__(self) -> Self:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._servers,
            client_id="ticketstream-cli",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            request_timeout_ms=self._timeout_ms,
            max_partition_fetch_bytes=1024 * 1024,
        )
        try:
            self._places = await self._find_places()
            await consumer.start()
            if self._places:
                consumer.assign(self._places)
                await consumer.seek_to_beginning()
                await self._skip(consumer)
        except (KafkaError, OSError, TimeoutError) as error:
            await stop_consumer(consumer)
            raise unreachable(self._servers, error) from error
        except BaseException:
            await stop_consumer(consumer)
            raise
        self._consumer = consumer
        return self

    async def _skip(self, consumer: Any) -> None:
        if self._since is None and self._last is None:
            return
        ends = await consumer.end_offsets(self._places)
        if self._last is not None:
            begins = await consumer.beginning_offsets(self._places)
            for place in self._places:
                consumer.seek(place, max(begins[place], ends[place] - self._last))
        if self._since is None:
            return
        found = await consumer.offsets_for_times(dict.fromkeys(self._places, round(self._since * 1000)))
        for place in self._places:
            consumer.seek(place, found[place].offset if found.get(place) else ends[place])

    async def _find_places(self) -> list[TopicPartition]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._servers, request_timeout_ms=self._timeout_ms)
        try:
            await admin.start()
            found = await described(admin)
        finally:
            await admin.close()
        return [
            TopicPartition(topic, partition["partition"])
            for topic in self._topics
            for partition in sorted(found.get(topic, ()), key=itemgetter("partition"))
            if self._partitions is None or partition["partition"] in self._partitions
        ]

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await stop_consumer(self._consumer)

    async def to_end(self) -> AsyncIterator[Any]:
        """Yield what has not been read yet of what is on the topics now."""
        try:
            ends = await self._consumer.end_offsets(self._places) if self._places else {}
            for place in self._places:
                fetched = self._fetched[place]
                while True:
                    while fetched and fetched[0].offset < ends[place]:
                        yield fetched.popleft()
                    # Positions tell the end, not the last record seen: compaction leaves holes in offsets.
                    if await self._consumer.position(place) >= ends[place]:
                        break
                    await self._fetch(_FETCH_MS, place)
        except (KafkaError, TimeoutError) as error:
            raise unreachable(self._servers, error) from error

    async def next_batch(self, seconds: float) -> list[Any]:
        """Return what has come since the last read, waiting up to ``seconds`` for something to come."""
        if not self._places:
            await asyncio.sleep(seconds)
            return []
        if not any(self._fetched.values()):
            try:
                await self._fetch(max(1, round(seconds * 1000)))
            except KafkaError as error:
                raise unreachable(self._servers, error) from error
        batch = [record for place in self._places for record in self._fetched[place]]
        self._fetched.clear()
        return batch

    async def _fetch(self, milliseconds: int, *places: TopicPartition) -> None:
        found = await self._consumer.getmany(*places, timeout_ms=milliseconds)
        for place, records in found.items():
            self._fetched[place].extend(records)


def unreachable(servers: str, error: BaseException) -> UnavailableError:
    """Return the error that says that Kafka is away, and what to check."""
    return UnavailableError(
        f"Kafka at {servers} cannot be reached ({type(error).__name__}): "
        f"is it running, and is {PREFIX}KAFKA__BOOTSTRAP_SERVERS right?"
    )
