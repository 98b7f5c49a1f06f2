"""Turns tickets of the topic into objects in Weaviate: ``python -m benchmarks.quix.index``."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

import msgspec
import uvloop
import weaviate
from quixstreams import Application
from quixstreams.sinks import BaseSink
from weaviate.classes.data import DataObject

from benchmarks.account_reader import AccountReader, ReadyChunk, object_of
from benchmarks.http_clients import Aiohttp
from benchmarks.quix.protocol import GROUP, TOPIC, Place, Written, this_place
from schemas.zendesk import Ticket
from streams.embeddings.local import LocalProvider
from streams.transforms.whole_ticket import is_removed

_AT_ONCE: Final = 1_000
_COMMENT_CALLS: Final = 50
_TEXTS: Final = 100
_OBJECTS: Final = 200
_INSERTS: Final = 4


class TicketSink(BaseSink):
    """Gathers tickets until the checkpoint; then enriches, embeds and inserts them together."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place
        self._tickets: list[Ticket] = []
        self._decoder = msgspec.json.Decoder(Ticket)
        self._written = Written()
        self._provider = LocalProvider()
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)

    def setup(self) -> None:
        """Connect to Zendesk and Weaviate."""
        self._runner.run(self._connect())

    async def _connect(self) -> None:
        place = self._place
        headers = {"Authorization": place.authorization}
        self._http = await Aiohttp(place.zendesk_url, headers, _COMMENT_CALLS + 10).__aenter__()
        self._reader = AccountReader(self._http, place.account)
        self._weaviate = weaviate.use_async_with_local(
            host=place.weaviate_host,
            port=place.weaviate_port,
            grpc_port=place.weaviate_grpc_port,
            skip_init_checks=True,
        )
        await self._weaviate.connect()
        self._collection = self._weaviate.collections.use(place.collection).with_tenant(place.account)
        await self._reader.learn_groups()
        await self._provider.embed(["the model is loaded before the first batch"], "document")

    def add(self, value: Any, *_: Any, **__: Any) -> None:
        """Take in one ticket."""
        self._tickets.append(self._decoder.decode(value))

    def flush(self) -> None:
        """Write what has been gathered; an error ends the process, and it comes again."""
        tickets, self._tickets = self._tickets, []
        if tickets:
            self._runner.run(self._write(tickets))
            self._written.tickets += len(tickets)
            self._written.zendesk_calls = self._reader.calls
            self._written.at = time.time()
            print(msgspec.json.encode(self._written).decode(), flush=True)

    async def _write(self, tickets: list[Ticket]) -> None:
        await self._reader.learn_names(tickets)
        calls, inserts = asyncio.Semaphore(_COMMENT_CALLS), asyncio.Semaphore(_INSERTS)
        ready: list[ReadyChunk] = []
        async with asyncio.TaskGroup() as group:

            async def enrich(ticket: Ticket) -> None:
                nonlocal ready
                async with calls:
                    chunks = await self._reader.chunks(ticket)
                ready += chunks
                # Full inserts need not wait for the last comments.
                while len(ready) >= _OBJECTS:
                    full, ready = ready[:_OBJECTS], ready[_OBJECTS:]
                    group.create_task(self._insert(full, inserts))

            await asyncio.gather(*(enrich(ticket) for ticket in tickets if not is_removed(ticket)))
            for start in range(0, len(ready), _OBJECTS):
                group.create_task(self._insert(ready[start : start + _OBJECTS], inserts))

    async def _insert(self, chunks: list[ReadyChunk], slots: asyncio.Semaphore) -> None:
        async with slots:
            objects: list[Any] = []
            for start in range(0, len(chunks), _TEXTS):
                some = chunks[start : start + _TEXTS]
                self._written.embedding_calls += 1
                vectors = await self._provider.embed([one.chunk.text for one in some], "document")
                for one, vector in zip(some, vectors, strict=True):
                    name, properties = object_of(one)
                    objects.append(DataObject(uuid=name, properties=properties, vector=vector.tolist()))
            answer = await self._collection.data.insert_many(objects)
            if answer.has_errors:
                raise RuntimeError(f"not inserted: {next(iter(answer.errors.values())).message}")
            self._written.objects += len(objects)


def run(place: Place) -> None:
    """Work until SIGTERM."""
    app = Application(
        broker_address=place.bootstrap_servers,
        consumer_group=GROUP,
        auto_offset_reset="earliest",
        commit_every=_AT_ONCE,
        commit_interval=1.0,
        loglevel="WARNING",
    )
    tickets = app.dataframe(app.topic(TOPIC, value_deserializer="bytes", key_deserializer="bytes"))
    tickets.sink(TicketSink(place))
    app.run()


if __name__ == "__main__":
    run(this_place())
