"""Hybrid search: by words and by meaning, in what readers may see."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import Any, Final, NamedTuple
from uuid import UUID

import grpc  # type: ignore[import-untyped]
import msgspec
from weaviate.proto.v1 import base_pb2

from schemas.errors import RefusedError, UserError
from schemas.ids import ALIAS, Visibility, chunk_id
from schemas.settings.load import PREFIX
from schemas.vectors import Vector
from streams.search.ranking import SCALE, ranked
from streams.transforms.text import clean_text
from streams.transforms.words import words_asked
from streams.weaviate import requests
from streams.weaviate.client import QUERY_SECONDS, WeaviateConnection
from streams.weaviate.collection import is_of_this_schema, searched_in, tenant_of
from streams.weaviate.failures import (
    as_error,
    is_missing_collection,
    is_missing_tenant,
    translated,
)
from streams.weaviate.gather_all import gather_all, gather_both, slices
from streams.weaviate.merged import Chains, Shown
from streams.weaviate.ownership import WRITES_AGAIN, alias_target
from streams.weaviate.reading import (
    PROPERTIES,
    StoredChunk,
    object_id,
    shown,
    stored_chunk,
    stored_vector,
)

LARGEST_LIMIT: Final = 1_000
_CHUNKS_A_TICKET: Final = 4
_MOST_CHUNKS: Final = 4_000
_IDS_A_CALL: Final = 1_000
# Asked for the best 40, Weaviate 1.35 takes the best 40 of each property, and a text among those of one loses
# the score it has by the other (seen); with many more it hardly matters.
_LOOKED_AT: Final = 10
_LEAST_LOOKED_AT: Final = 1_000
_QUERY_CHARACTERS: Final = 8_000
_NAMING: Final = ("ticket_id", "subject", "status", "merged_into")
_TICKETS_A_LOOK: Final = 100


class Target(msgspec.Struct, kw_only=True, frozen=True):
    """The ticket under which a merged one is shown."""

    ticket_id: int
    subject: str
    status: str


class Hit(msgspec.Struct, kw_only=True, frozen=True):
    """A chunk that answers a search. ``score`` is 0 to 1, higher is better, within one search only.

    ``ticket_id`` and all else but ``target`` are of the ticket that the text is from. ``merged_into`` is the
    ticket that one was merged into, at the end of a chain of merges; ``target`` names it where it is there
    to be read, and the hit stands for both.
    """

    ticket_id: int
    score: float
    visibility: Visibility
    chunk_index: int
    subject: str
    status: str
    priority: str
    tags: list[str]
    requester: str
    text: str
    created_at: str
    updated_at: str
    merged_into: int | None = None
    target: Target | None = None


class _Place(NamedTuple):
    collection: str
    tenant: str
    filters: Sequence[base_pb2.Filters]


class Search:
    """Searches behind the alias ``Tickets``, unless a collection is named."""

    def __init__(self, connection: WeaviateConnection, collection: str = ALIAS) -> None:
        self._connection = connection
        self._collection = collection

    async def search(
        self,
        account: str,
        text: str,
        vector: Vector,
        *,
        limit: int,
        status: str | None = None,
        tag: str | None = None,
        public_only: bool = False,
        every_chunk: bool = False,
    ) -> list[Hit]:
        """Return at most ``limit`` (1 to 1,000) hits, best first: the best chunk of each ticket.

        A ticket and those merged into it count as one. With ``every_chunk`` each chunk is a hit. ``vector``
        is the text's, of the model behind the alias. Raises UserError when nothing was imported, when the
        alias is of another model, or when there is nothing to search for; UnavailableError; CredentialsError.
        """
        words = clean_text(text)[:_QUERY_CHARACTERS]
        if not words:
            raise UserError("there is nothing to search for: give some words")
        if not 1 <= limit <= LARGEST_LIMIT:
            raise UserError(f"{limit} results cannot be asked for: ask for 1 to {LARGEST_LIMIT}")
        try:
            tenant = tenant_of(account)
        except RefusedError as error:
            raise UserError(str(error)) from error
        place = _Place(self._collection, tenant, _filters(status, tag, public_only))
        await self._check_size(tenant, vector)
        chunks = max(SCALE, min(limit * _CHUNKS_A_TICKET, _MOST_CHUNKS))
        chains = Chains(partial(self._tickets, account, tenant, public_only))
        while True:
            found, is_all = await self._ranked(place, words, vector, chunks)
            await chains.follow({chunk.facts.merged_into for chunk, _ in found if chunk.facts.merged_into})
            hits = [_hit(chunk, score, chains) for chunk, score in found]
            if not every_chunk:
                hits = _best_of_each_ticket(hits)
            if len(hits) >= limit or is_all or chunks == _MOST_CHUNKS:
                return hits[:limit]
            chunks = min(chunks * _CHUNKS_A_TICKET, _MOST_CHUNKS)

    async def _tickets(
        self, account: str, tenant: str, public_only: bool, ticket_ids: Collection[int]
    ) -> dict[int, Shown]:
        """Return those of the tickets that have a chunk which may be read, by the ids of their first ones."""
        seen: Sequence[Visibility] = ("public",) if public_only else ("public", "internal")
        found: dict[int, Shown] = {}
        for part in slices(sorted(ticket_ids), _TICKETS_A_LOOK):
            ids = [chunk_id(account, ticket_id, visibility, 0) for ticket_id in part for visibility in seen]
            request = requests.select(
                self._collection, tenant, requests.with_ids(ids), limit=len(ids), properties=_NAMING
            )
            for result in (await self._call(tenant, request)).results:
                one = shown(result)
                found[one.ticket_id] = one
        return found

    async def _ranked(
        self, place: _Place, text: str, vector: Vector, limit: int
    ) -> tuple[list[tuple[StoredChunk, float]], bool]:
        """Return chunks with their scores, best first, and whether there are no more."""
        asked = words_asked(text)
        near, by_words = await gather_both(
            self._near(place, vector, limit), self._by_words(place, text, asked, limit)
        )
        ids = dict.fromkeys(key for key, _ in [*near, *by_words[:limit]])
        chunks = await self._chunks(place, list(ids))
        found = ranked(chunks, by_words, near, asked, is_word=len(text.split()) == 1)
        return [(each.chunk, each.score) for each in found], max(len(near), len(by_words)) < limit

    async def _near(self, place: _Place, vector: Vector, limit: int) -> list[tuple[UUID, float]]:
        request = requests.near(*place, vector, limit=limit, properties=())
        reply = await self._call(place.tenant, request)
        return [(object_id(each), 1.0 - each.metadata.distance) for each in reply.results]

    async def _by_words(
        self, place: _Place, text: str, asked: list[str], limit: int
    ) -> list[tuple[UUID, float]]:
        if not asked:
            return []
        searched = searched_in(place.collection)
        # A collection of the first schema cuts words by itself.
        words = text if "text" in searched else " ".join(asked)
        looked = min(max(limit * _LOOKED_AT, _LEAST_LOOKED_AT), _MOST_CHUNKS)
        request = requests.keywords(*place, words, searched=searched, limit=looked, properties=())
        reply = await self._call(place.tenant, request)
        return [(object_id(each), each.metadata.score) for each in reply.results]

    async def _chunks(self, place: _Place, ids: list[UUID]) -> list[StoredChunk]:
        """Return those of the chunks that are still there and that the filters let through."""
        replies = await gather_all(
            self._call(
                place.tenant,
                requests.select(
                    place.collection,
                    place.tenant,
                    requests.all_of([requests.with_ids(part), *place.filters]),
                    limit=len(part),
                    # One of an earlier schema refuses to be asked for what it lacks.
                    properties=PROPERTIES if is_of_this_schema(place.collection) else None,
                ),
            )
            for part in slices(ids, _IDS_A_CALL)
        )
        return [stored_chunk(result) for reply in replies for result in reply.results]

    async def _check_size(self, tenant: str, vector: Vector) -> None:
        # A compressed index answers a vector of another size with nonsense, not with an error.
        request = requests.page(self._collection, tenant, UUID(int=0), limit=1, properties=[], vector=True)
        reply = await self._call(tenant, request)
        for result in reply.results:
            stored = stored_vector(result)
            if stored is not None and stored.size != vector.size:
                with translated("searching"):
                    target = await alias_target(self._connection.client)
                raise UserError(
                    f"the question has {vector.size} dimensions, but what was imported has {stored.size} "
                    f"({target or self._collection}): set {PREFIX}EMBEDDING__MODEL and "
                    f"{PREFIX}EMBEDDING__DIMENSIONS to those of the import"
                )

    async def _call(self, tenant: str, request: Any) -> Any:
        try:
            return await self._connection.call("Search", request, QUERY_SECONDS)
        except grpc.aio.AioRpcError as error:
            if is_missing_tenant(error) or is_missing_collection(error):
                raise UserError(
                    f"Weaviate holds nothing of account {tenant}: run `ticketstream import`; if it was "
                    f"imported before, {WRITES_AGAIN}"
                ) from error
            raise as_error(error, "searching") from error


def _filters(status: str | None, tag: str | None, public_only: bool) -> list[base_pb2.Filters]:
    wanted = {"status": status, "tags": tag, "visibility": "public" if public_only else None}
    return [requests.equal_to(name, value) for name, value in wanted.items() if value is not None]


def _best_of_each_ticket(hits: list[Hit]) -> list[Hit]:
    best: dict[int, Hit] = {}
    for hit in hits:
        best.setdefault(hit.target.ticket_id if hit.target else hit.ticket_id, hit)
    return list(best.values())


def _hit(chunk: StoredChunk, score: float, chains: Chains) -> Hit:
    merged_into = chunk.facts.merged_into
    end = chains.end_of(chunk.ticket_id, merged_into)
    return Hit(
        ticket_id=chunk.ticket_id,
        score=score,
        visibility=chunk.visibility,
        chunk_index=chunk.chunk_index,
        subject=chunk.facts.subject,
        status=chunk.facts.status,
        priority=chunk.facts.priority,
        tags=chunk.facts.tags,
        requester=chunk.facts.requester,
        text=chunk.text,
        created_at=chunk.facts.created_at,
        updated_at=chunk.facts.updated_at,
        merged_into=end.ticket_id if end else merged_into or None,
        target=Target(ticket_id=end.ticket_id, subject=end.subject, status=end.status) if end else None,
    )
