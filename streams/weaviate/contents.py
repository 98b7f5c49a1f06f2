"""What an account has in Weaviate: counted, or chunk by chunk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final
from uuid import UUID

import grpc  # type: ignore[import-untyped]
import msgspec

from schemas.ids import ALIAS
from streams.weaviate import requests
from streams.weaviate.client import WeaviateConnection
from streams.weaviate.collection import tenant_of
from streams.weaviate.failures import as_error, is_missing_collection, is_missing_tenant
from streams.weaviate.gather_all import slices
from streams.weaviate.large import results_of
from streams.weaviate.reading import (
    PLACE_PROPERTIES,
    PROPERTIES,
    StoredChunk,
    StoredPlace,
    object_id,
    stored_chunk,
    stored_place,
    ticket_id,
)

_PAGE: Final = 500
_PLACES_A_PAGE: Final = 2_000
_TICKETS_A_CALL: Final = 200
_LISTED: Final = 5_000
"""Objects one look-up may find; Weaviate's own limit is 10,000."""
_BEFORE_ALL: Final = UUID(int=0)


class Counts(msgspec.Struct, kw_only=True, frozen=True):
    """How much there is of an account."""

    objects: int
    tickets: int


class Contents:
    """Looks behind the alias ``Tickets``, unless a collection is named."""

    def __init__(self, connection: WeaviateConnection, collection: str = ALIAS) -> None:
        self._connection = connection
        self._collection = collection

    async def count_objects(self, account: str) -> int:
        """Return the number of chunks; 0 when nothing was ever written for the account."""
        reply = await self._call("Aggregate", requests.count(self._collection, tenant_of(account)))
        count: int = reply.single_result.objects_count if reply is not None else 0
        return count

    async def counts(self, account: str) -> Counts:
        """Return the numbers of chunks and of tickets. Reads the ticket number of every chunk."""
        objects = 0
        tickets: set[int] = set()
        async for page in self._pages(account, ["ticket_id"], vector=False):
            objects += len(page)
            tickets.update(map(ticket_id, page))
        return Counts(objects=objects, tickets=len(tickets))

    async def ticket_ids(self, account: str) -> set[int]:
        """Return the numbers of all tickets that have a chunk."""
        return {
            ticket_id(each)
            async for page in self._pages(account, ["ticket_id"], vector=False)
            for each in page
        }

    async def iterate_objects(
        self, account: str, *, include_vector: bool = False
    ) -> AsyncIterator[StoredChunk]:
        """Yield every chunk of an account, in the order of the ids."""
        async for page in self._pages(account, PROPERTIES, vector=include_vector):
            for result in page:
                yield stored_chunk(result)

    async def iterate_places(self, account: str) -> AsyncIterator[StoredPlace]:
        """Yield where every chunk of an account stands, without its text, in the order of the ids."""
        async for page in self._pages(account, PLACE_PROPERTIES, vector=False, limit=_PLACES_A_PAGE):
            for result in page:
                yield stored_place(result)

    async def places_of(self, account: str, ticket_ids: Sequence[int]) -> AsyncIterator[StoredPlace]:
        """Yield where the chunks of some tickets stand."""
        for part in slices(ticket_ids, _TICKETS_A_CALL):
            async for place in self._places_of(account, part):
                yield place

    async def _places_of(self, account: str, ticket_ids: Sequence[int]) -> AsyncIterator[StoredPlace]:
        tenant = tenant_of(account)
        request = requests.select(
            self._collection,
            tenant,
            requests.of_tickets(ticket_ids),
            limit=_LISTED,
            properties=PLACE_PROPERTIES,
        )
        reply = await self._call("Search", request)
        results = list(reply.results) if reply is not None else []
        if len(results) == _LISTED and len(ticket_ids) > 1:
            for ticket in ticket_ids:
                async for place in self._places_of(account, [ticket]):
                    yield place
            return
        if len(results) == _LISTED:
            large = results_of(self._call, self._collection, tenant, account, ticket_ids[0], PLACE_PROPERTIES)
            async for some in large:
                for result in some:
                    yield stored_place(result)
            return
        for result in results:
            yield stored_place(result)

    async def _pages(
        self, account: str, properties: Sequence[str], *, vector: bool, limit: int = _PAGE
    ) -> AsyncIterator[list[Any]]:
        tenant, after = tenant_of(account), _BEFORE_ALL
        while True:
            request = requests.page(
                self._collection, tenant, after, limit=limit, properties=properties, vector=vector
            )
            reply = await self._call("Search", request)
            results = list(reply.results) if reply is not None else []
            if not results:
                return
            yield results
            after = object_id(results[-1])

    async def _call(self, method: str, request: Any) -> Any:
        """Return the answer, None when nothing was ever written for the account."""
        try:
            return await self._connection.call(method, request)
        except grpc.aio.AioRpcError as error:
            if is_missing_tenant(error) or is_missing_collection(error):
                return None
            raise as_error(error, f"reading {self._collection}") from error
