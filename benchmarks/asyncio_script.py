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
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

import msgspec
import uvloop
from weaviate.classes.data import DataObject

from benchmarks.http_clients import Aiohttp, HttpClient, Httpx
from benchmarks.plain import ScriptResult
from schemas.ids import chunk_id, collection_name
from schemas.messages import TicketChange
from schemas.settings import Settings, load_settings
from schemas.vectors import Vector
from schemas.zendesk import Comment, CommentsPage, GroupsPage, OrganizationsPage, Ticket, UsersPage
from streams.embeddings.build import build_provider
from streams.sinks.weaviate.client import connect
from streams.sinks.weaviate.collection import ensure_collection
from streams.sources.zendesk.auth import login_of
from streams.transforms.chunking import CHUNKER_VERSION, Chunk, chunk_ticket
from streams.transforms.enrich import facts_of, is_removed, passages_of, people_of
from streams.transforms.names import Names

_COMMENT_CALLS: Final = 50
_NAME_CALLS: Final = 4
_TEXTS: Final = 100
_EMBEDDING_CALLS: Final = 4
_OBJECTS: Final = 200
_INSERTS: Final = 4


_Object = DataObject[Any, None]


class _ExportPage(msgspec.Struct):
    tickets: list[Ticket]
    after_cursor: str
    end_of_stream: bool


class _Ready(msgspec.Struct):
    change: TicketChange
    names: Names
    chunk: Chunk


class Script:
    """One run over the whole account; ``http`` names the HTTP client."""

    def __init__(self, settings: Settings, http: str) -> None:
        self._settings = settings
        self._account = settings.account
        self._kind = http
        self._provider = build_provider(settings)
        kind: type[Httpx] | type[Aiohttp] = Httpx if http == "httpx" else Aiohttp
        headers = {"Authorization": login_of(settings).authorization}
        self._http: HttpClient = kind(settings.zendesk_url, headers, _COMMENT_CALLS + 10)
        self._users: dict[int, str] = {}
        self._organizations: dict[int, str] = {}
        self._groups: dict[int, str] = {}
        self._zendesk_calls = 0
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
            whole: asyncio.Queue[_Ready | None] = asyncio.Queue(4 * _TEXTS)
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
            zendesk_calls=self._zendesk_calls,
            embedding_calls=self._embedding_calls,
        )

    async def _get(self, path: str, kind: Any) -> Any:
        self._zendesk_calls += 1
        return msgspec.json.decode(await self._http.get(path), type=kind)

    async def _export(self, pages: asyncio.Queue[list[Ticket]]) -> None:
        where = "start_time=0"
        while True:
            page = await self._get(
                f"/api/v2/incremental/tickets/cursor.json?{where}&per_page=1000", _ExportPage
            )
            await pages.put(page.tickets)
            if page.end_of_stream:
                await pages.put([])
                return
            where = f"cursor={page.after_cursor}"

    async def _enrich(self, pages: asyncio.Queue[list[Ticket]], whole: asyncio.Queue[_Ready | None]) -> None:
        self._groups = {
            g.id: g.name for g in (await self._get("/api/v2/groups.json?page[size]=100", GroupsPage)).groups
        }
        slots = asyncio.Semaphore(_COMMENT_CALLS)
        seen: dict[int, int] = {}
        async with asyncio.TaskGroup() as group:
            while tickets := await pages.get():
                # Pages overlap: the newest row of a ticket counts.
                new = [t for t in tickets if seen.get(t.id, -1) < (t.generated_timestamp or 0)]
                seen.update((t.id, t.generated_timestamp or 0) for t in new)
                latest = list({t.id: t for t in new}.values())
                self._tickets += len(latest)
                await self._learn_names(latest)
                for ticket in latest:
                    if not is_removed(ticket):
                        await slots.acquire()
                        task = group.create_task(self._whole_ticket(ticket, whole))
                        task.add_done_callback(lambda _: slots.release())
        await whole.put(None)

    async def _learn_names(self, tickets: Iterable[Ticket]) -> None:
        people = {one for t in tickets for one in (t.requester_id, t.assignee_id) if one is not None}
        organizations = {t.organization_id for t in tickets if t.organization_id is not None}
        slots = asyncio.Semaphore(_NAME_CALLS)

        async def look_up(what: str, ids: list[int]) -> None:
            async with slots:
                path = f"/api/v2/{what}/show_many.json?ids={','.join(map(str, ids))}"
                if what == "users":
                    users = (await self._get(path, UsersPage)).users
                    self._users |= dict.fromkeys(ids, "") | {user.id: user.name for user in users}
                else:
                    found = (await self._get(path, OrganizationsPage)).organizations
                    self._organizations |= dict.fromkeys(ids, "") | {one.id: one.name for one in found}

        calls = [look_up("users", ids) for ids in _hundreds(people - self._users.keys())]
        calls += [
            look_up("organizations", ids) for ids in _hundreds(organizations - self._organizations.keys())
        ]
        await asyncio.gather(*calls)

    async def _whole_ticket(self, ticket: Ticket, whole: asyncio.Queue[_Ready | None]) -> None:
        comments: list[Comment] = []
        first = f"/api/v2/tickets/{ticket.id}/comments.json?page[size]=100&include=users"
        path = first
        while path:
            page = await self._get(path, CommentsPage)
            comments += page.comments
            self._users |= {user.id: user.name for user in page.users}
            path = f"{first}&page[after]={page.meta.after_cursor}" if page.meta.has_more else ""
        people = people_of(ticket, comments)
        names = Names({i: self._users.get(i, "") for i in people}, self._organizations, self._groups)
        change = TicketChange(
            account=self._account,
            ticket_id=ticket.id,
            version=0,
            changed_at=0,
            source="import",
            ticket=ticket,
        )
        for chunk in chunk_ticket(ticket.subject or "", passages_of(comments, names)):
            await whole.put(_Ready(change, names, chunk))

    async def _embed(
        self, whole: asyncio.Queue[_Ready | None], embedded: asyncio.Queue[_Object | None]
    ) -> None:
        slots = asyncio.Semaphore(_EMBEDDING_CALLS)

        async def call(batch: list[_Ready]) -> None:
            self._embedding_calls += 1
            vectors = await self._provider.embed([one.chunk.text for one in batch], "document")
            for one, vector in zip(batch, vectors, strict=True):
                await embedded.put(self._object(one, vector))

        async with asyncio.TaskGroup() as group:
            async for batch in _batches(whole, _TEXTS):
                await slots.acquire()
                group.create_task(call(batch)).add_done_callback(lambda _: slots.release())
        await embedded.put(None)

    def _object(self, one: _Ready, vector: Vector) -> _Object:
        facts = msgspec.structs.asdict(facts_of(one.change, one.names))
        chunk, ticket_id = one.chunk, one.change.ticket_id
        return DataObject(
            uuid=chunk_id(self._account, ticket_id, chunk.visibility, chunk.chunk_index),
            properties={
                **facts,
                "ticket_id": ticket_id,
                "chunk_index": chunk.chunk_index,
                "text": chunk.text,
                "content_hash": chunk.content_hash,
                "visibility": chunk.visibility,
            },
            vector=vector.tolist(),
        )

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


def _hundreds(ids: Iterable[int]) -> list[list[int]]:
    ordered = sorted(ids)
    return [ordered[start : start + 100] for start in range(0, len(ordered), 100)]


if __name__ == "__main__":
    print(msgspec.json.encode(uvloop.run(Script(load_settings(), sys.argv[1]).run())).decode())
