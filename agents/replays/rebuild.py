"""The two ends of a replay in Weaviate: a collection to fill, and readers who are switched to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
import structlog

from agents.replays.feed import waits
from schemas.cluster import Cluster
from schemas.codec import peek
from schemas.errors import RefusedError
from schemas.messages.imports import ImportRecord
from schemas.topics import EMBEDDED
from streams.kafka.offset_ranges import RangeReader
from streams.kafka.partitions import partition_of
from streams.retries import retrying
from streams.sinks.base import Sink
from streams.sinks.weaviate.switch import check_complete, delete_collection, read_instead
from streams.weaviate.client import WeaviateConnection
from streams.weaviate.collection import move_alias


class _Place(msgspec.Struct):
    collection: str


class Rebuild:
    """Looks after the collection the workers write to; ``open_sink`` gives its sink."""

    def __init__(
        self,
        connection: WeaviateConnection,
        open_sink: Callable[[], Awaitable[Sink]],
        *,
        collection: str,
        cluster: Cluster,
    ) -> None:
        self._connection = connection
        self._open_sink = open_sink
        self._collection = collection
        self._cluster = cluster

    async def prepare(self) -> None:
        """Make the collection and the alias where Weaviate has lost them; an alias is never moved here."""
        sink = await retrying(self._open_sink, on_retry=waits)
        await retrying(sink.setup, on_retry=waits)

    async def finish(self, record: ImportRecord, save: Callable[[], Awaitable[None]]) -> None:
        """Switch readers to the collection that a replay of all enriched tickets has filled; else do nothing.

        Raises RefusedError when readers would lose a ticket or a change by it. After a crash on the way it
        can be called again.
        """
        if not record.spec.is_whole_replay or record.spec.replay != "enriched":
            return
        connection, collection = self._connection, self._collection
        former = await retrying(lambda: read_instead(connection, collection), on_retry=waits)
        if former:
            await retrying(lambda: self._check_workers(record.account, former), on_retry=waits)
            await retrying(lambda: check_complete(connection, former, collection), on_retry=waits)
            record.switched_from, record.switched_to = former, collection
            await save()
            await retrying(lambda: move_alias(connection.client, collection), on_retry=waits)
            structlog.get_logger().info("readers switched", former=former, now=collection)
        if record.switched_from and record.spec.drop_old:
            await retrying(lambda: delete_collection(connection, record.switched_from), on_retry=waits)

    async def _check_workers(self, account: str, former: str) -> None:
        """Raise RefusedError when a worker has embedded tickets for another collection meanwhile."""
        prefix = f"{account}:".encode()
        elsewhere: set[bytes] = set()
        async with RangeReader(self._cluster) as reader:
            spans = await reader.spans([EMBEDDED], range(self._cluster.partitions))
            async for batch in reader.read(spans):
                for raw in batch.records:
                    if raw.key is None or not raw.key.startswith(prefix):
                        continue
                    if partition_of(raw.key, self._cluster.partitions) != raw.partition:
                        continue  # its ticket has moved since
                    place = peek(raw.value, _Place)
                    if place is None:
                        continue  # a dead letter
                    if place.collection == self._collection:
                        elsewhere.discard(raw.key)
                    else:
                        elsewhere.add(raw.key)
        if elsewhere:
            raise RefusedError(
                f"searches still read {former}: the newest state of {len(elsewhere):,} tickets was not "
                f"embedded for {self._collection}; dead letters may say why, or a worker had other embedding "
                "settings: start all with the same, then start another replay"
            )
