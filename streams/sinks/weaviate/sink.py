"""Writes whole tickets: their chunks first, then away with what they no longer have."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

import structlog
from weaviate.proto.v1 import batch_pb2

from schemas.errors import PermanentError, UnavailableError
from streams.sinks.base import SinkItem, SinkResult
from streams.sinks.weaviate.objects import batch_objects, object_id
from streams.sinks.weaviate.orphans import Orphans
from streams.sinks.weaviate.upserts import Upserts
from streams.weaviate.client import WeaviateConnection
from streams.weaviate.collection import ensure_alias, ensure_collection
from streams.weaviate.gather_all import gather_both
from streams.weaviate.size import require_size


class WeaviateSink:
    """Holds the tickets of all accounts in one collection, vectors of ``dimensions`` float32 numbers.

    Writes are idempotent: ids are made from account, ticket, visibility and index, and a write of an id
    that exists replaces the object as a whole. For one event loop; the connection is the caller's.
    """

    def __init__(self, connection: WeaviateConnection, collection: str, dimensions: int) -> None:
        self._connection = connection
        self._collection = collection
        self._dimensions = dimensions
        self._upserts = Upserts(connection, collection)
        self._orphans = Orphans(connection, collection)
        self._setting_up = asyncio.Lock()
        self._is_set_up = False
        self._was_set_up = False

    async def setup(self) -> bool:
        """Make the collection and the alias ``Tickets`` where missing; never moves an alias.

        Returns whether readers read this collection. Raises RetryableError, CredentialsError, and
        UserError when a collection that is not ours is in the place of this one or of the alias.
        """
        made = await ensure_collection(self._connection.client, self._collection)
        await require_size(self._connection, self._collection, self._dimensions)
        is_read = await ensure_alias(self._connection.client, self._collection)
        if made and self._was_set_up:
            structlog.get_logger().warning(
                "the collection was lost and is made anew; what it held comes back with "
                "`ticketstream replay --from embedded`",
                collection=self._collection,
            )
        self._is_set_up = self._was_set_up = True
        return is_read

    async def close(self) -> None:
        """Nothing is held but the connection, which is the caller's."""

    async def write(self, batch: Sequence[SinkItem]) -> list[SinkResult]:
        """Write a batch of different tickets; return one result each, in their order.

        A ticket that Weaviate can never take fails alone, and what the index held of it is not deleted.
        Raises UnavailableError when Weaviate is away, too slow, broken or read-only (write the whole
        batch again), CredentialsError when the login is refused, ValueError when a ticket comes twice.
        """
        _require_different_tickets(batch)
        try:
            if not self._is_set_up:
                await self._set_up_once()
            return await self._write(batch)
        except UnavailableError:
            self._is_set_up = False  # it may come back empty
            raise

    async def _set_up_once(self) -> None:
        async with self._setting_up:
            if not self._is_set_up:
                await self.setup()

    async def _write(self, batch: Sequence[SinkItem]) -> list[SinkResult]:
        errors: dict[int, PermanentError] = {}
        objects: list[batch_pb2.BatchObject] = []
        owners: list[int] = []
        for index, item in enumerate(batch):
            try:
                own = batch_objects(self._collection, self._dimensions, item)
            except PermanentError as error:
                errors[index] = error
            else:
                objects += own
                owners += [index] * len(own)
        items = {index: item for index, item in enumerate(batch) if index not in errors}
        # Whatever of the new chunks the look-up sees is kept anyway, so it need not wait for them.
        begun = {made.uuid for made, owner in zip(objects, owners, strict=True) if batch[owner].begun}
        failed, found = await gather_both(self._upserts.write(objects, begun), self._orphans.find(items))
        for position, problem in failed.items():
            errors.setdefault(owners[position], problem)
        stale = {index: ids for index, ids in found.items() if index not in errors and ids != set()}
        kept = {index: _kept(items[index]) for index in stale}
        deleted = await self._orphans.delete(items, stale, kept)
        return [
            SinkResult(error=errors[index])
            if index in errors
            else SinkResult(
                vectors_written=0 if item.removed else len(item.upserts),
                objects_deleted=deleted.get(index, 0),
            )
            for index, item in enumerate(batch)
        ]


def _kept(item: SinkItem) -> set[UUID]:
    return set() if item.removed else {object_id(item, write) for write in item.upserts}


def _require_different_tickets(batch: Sequence[SinkItem]) -> None:
    seen: set[tuple[str, int]] = set()
    for item in batch:
        ticket = (item.account, item.ticket_id)
        if ticket in seen:
            raise ValueError(f"ticket {item.ticket_id} of {item.account} is twice in a batch")
        seen.add(ticket)
