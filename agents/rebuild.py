"""The two ends of a replay in Weaviate: a collection to fill, and readers who are switched to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from agents.replay import waits
from schemas.imports import ImportRecord
from streams.retries import retrying
from streams.sinks.base import Sink
from streams.sinks.weaviate.client import WeaviateConnection
from streams.sinks.weaviate.switch import delete_collection, switch_readers


class Rebuild:
    """Looks after the collection the workers write to; ``open_sink`` gives its sink."""

    def __init__(
        self, connection: WeaviateConnection, open_sink: Callable[[], Awaitable[Sink]], collection: str
    ) -> None:
        self._connection = connection
        self._open_sink = open_sink
        self._collection = collection

    async def prepare(self) -> None:
        """Make the collection and the alias where Weaviate has lost them; an alias is never moved here."""
        sink = await retrying(self._open_sink, on_retry=waits)
        await retrying(sink.setup, on_retry=waits)

    async def finish(self, record: ImportRecord) -> None:
        """Let readers read what a replay of everything has filled, if it made the texts' vectors anew.

        Raises RefusedError when that would lose them a ticket.
        """
        if not record.spec.is_whole_replay or record.spec.replay != "enriched":
            return
        former = await retrying(lambda: switch_readers(self._connection, self._collection), on_retry=waits)
        if not former:
            return
        record.switched_from, record.switched_to = former, self._collection
        structlog.get_logger().info("readers switched", former=former, now=self._collection)
        if record.spec.drop_old:
            await retrying(lambda: delete_collection(self._connection, former), on_retry=waits)
