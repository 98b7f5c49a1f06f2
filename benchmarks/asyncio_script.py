"""The import as a good hand-written asyncio script: ``python -m benchmarks.asyncio_script httpx|aiohttp``.

What a capable engineer writes without any framework: three groups of tasks with bounded queues
between them, 50 comment calls in flight, names looked up in batches and remembered, 100 texts an
embedding call, 200 objects an insert, deterministic ids. It has no limits, no retries, no dead letters,
no resume, no second worker, and it never deletes anything.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
import uvloop
from weaviate.classes.data import DataObject

from benchmarks.account_reader import AccountReader, ReadyChunk, object_of
from benchmarks.http_clients import Aiohttp, HttpClient, Httpx
from benchmarks.script_result import ScriptResult
from schemas.ids import collection_name
from schemas.settings.load import Settings, load_settings
from schemas.vectors import Vector
from schemas.zendesk import Ticket
from streams.embeddings.build import build_provider
from streams.sources.zendesk.auth import static_login_of
from streams.transforms.chunking import CHUNKER_VERSION
from streams.transforms.whole_ticket import is_removed
from streams.weaviate.client import connect
from streams.weaviate.collection import ensure_collection

_COMMENT_CALLS: Final = 50
_TEXTS: Final = 100
_EMBEDDING_CALLS: Final = 4
_OBJECTS: Final = 200
_INSERTS: Final = 4


_Object = DataObject[Any, None]


class Script:
    """One run over the whole account; ``http`` names the HTTP client."""

    def __init__(self, settings: Settings, http: str) -> None:
        self._settings = settings
        self._account = settings.account
        self._kind = http
        self._provider = build_provider(settings)
        kind: type[Httpx] | type[Aiohttp] = Httpx if http == "httpx" else Aiohttp
        headers = {"Authorization": static_login_of(settings).header}
        self._http: HttpClient = kind(settings.zendesk_url, headers, _COMMENT_CALLS + 10)
        self._reader = AccountReader(self._http, settings.account)
        self._embedding_calls = 0
        self._tickets = 0
        self._objects = 0

    async def run(self) -> ScriptResult:
        """Import everything and return the figures."""
        model, dimensions = self._settings.embedding_model, self._settings.embedding_dimensions
        # Not over what another run has written: that is less work for Weaviate.
        name = f"Asyncio_{self._kind}_" + collection_name(model, dimensions, CHUNKER_VERSION)
        async with await connect(self._settings) as connection, self._http:
            started = time.perf_counter()
            # The collection is made as the pipeline's: the same index, the same work for Weaviate.
            await ensure_collection(connection.client, name)
            collection = connection.client.collections.use(name).with_tenant(self._account)
            pages: asyncio.Queue[list[Ticket]] = asyncio.Queue(2)
            whole: asyncio.Queue[ReadyChunk | None] = asyncio.Queue(4 * _TEXTS)
            embedded: asyncio.Queue[_Object | None] = asyncio.Queue(4 * _OBJECTS)
            async with asyncio.TaskGroup() as reading:
                reading.create_task(self._export(pages))
                reading.create_task(self._enrich(pages, whole))
                reading.create_task(self._embed(whole, embedded))
                reading.create_task(self._insert(collection, embedded))
            seconds = time.perf_counter() - started
        await self._provider.close()
        return ScriptResult(
            tickets=self._tickets,
            objects=self._objects,
            seconds=seconds,
            zendesk_calls=self._reader.calls,
            embedding_calls=self._embedding_calls,
        )

    async def _export(self, pages: asyncio.Queue[list[Ticket]]) -> None:
        async for page in self._reader.export():
            if page:
                await pages.put(page)
        await pages.put([])

    async def _enrich(
        self, pages: asyncio.Queue[list[Ticket]], whole: asyncio.Queue[ReadyChunk | None]
    ) -> None:
        await self._reader.learn_groups()
        slots = asyncio.Semaphore(_COMMENT_CALLS)
        async with asyncio.TaskGroup() as group:
            while tickets := await pages.get():
                self._tickets += len(tickets)
                await self._reader.learn_names(tickets)
                for ticket in tickets:
                    if not is_removed(ticket):
                        await slots.acquire()
                        task = group.create_task(self._whole_ticket(ticket, whole))
                        task.add_done_callback(lambda _: slots.release())
        await whole.put(None)

    async def _whole_ticket(self, ticket: Ticket, whole: asyncio.Queue[ReadyChunk | None]) -> None:
        for chunk in await self._reader.chunks(ticket):
            await whole.put(chunk)

    async def _embed(
        self, whole: asyncio.Queue[ReadyChunk | None], embedded: asyncio.Queue[_Object | None]
    ) -> None:
        slots = asyncio.Semaphore(_EMBEDDING_CALLS)

        async def call(batch: list[ReadyChunk]) -> None:
            self._embedding_calls += 1
            vectors = await self._provider.embed([one.chunk.text for one in batch], "document")
            for one, vector in zip(batch, vectors, strict=True):
                await embedded.put(_object(one, vector))

        async with asyncio.TaskGroup() as group:
            async for batch in _batches(whole, _TEXTS):
                await slots.acquire()
                group.create_task(call(batch)).add_done_callback(lambda _: slots.release())
        await embedded.put(None)

    async def _insert(self, collection: Any, embedded: asyncio.Queue[_Object | None]) -> None:
        slots = asyncio.Semaphore(_INSERTS)

        async def call(batch: list[_Object]) -> None:
            answer = await collection.data.insert_many(batch)
            if answer.has_errors:
                raise RuntimeError(f"not inserted: {next(iter(answer.errors.values())).message}")
            self._objects += len(batch)

        async with asyncio.TaskGroup() as group:
            async for batch in _batches(embedded, _OBJECTS):
                await slots.acquire()
                group.create_task(call(batch)).add_done_callback(lambda _: slots.release())


def _object(one: ReadyChunk, vector: Vector) -> _Object:
    name, properties = object_of(one)
    return DataObject(uuid=name, properties=properties, vector=vector.tolist())


async def _batches(queue: asyncio.Queue[Any], size: int) -> AsyncIterator[list[Any]]:
    """Yield full batches of the queue until None comes, and what is left then."""
    batch: list[Any] = []
    while (item := await queue.get()) is not None:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


if __name__ == "__main__":
    print(msgspec.json.encode(uvloop.run(Script(load_settings(), sys.argv[1]).run())).decode())
