"""The collection readers still read while another is being filled: what a ticket lost goes from it too."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final
from uuid import UUID

import grpc  # type: ignore[import-untyped]

from schemas.ids import Visibility
from streams.sinks.base import SinkItem
from streams.weaviate import requests
from streams.weaviate.client import QUERY_SECONDS, WeaviateConnection
from streams.weaviate.collection import ensure_alias, tenant_of
from streams.weaviate.failures import as_error, is_missing_collection, is_missing_tenant, translated
from streams.weaviate.large import results_of
from streams.weaviate.ownership import own_target
from streams.weaviate.reading import object_id

_LISTED: Final = 5_000
"""Chunks of a ticket looked at in one go; Weaviate's own limit is 10,000."""
_POLL_ALIAS_SECONDS: Final = 2.0


class FormerCollection:
    """Takes out of the collection behind the alias what a ticket written to another has no more.

    Nothing is added there: what is new in a ticket is found once the alias is switched. For one event loop.
    """

    def __init__(self, connection: WeaviateConnection) -> None:
        self._connection = connection
        self._target: str | None = None
        self._looked_at = float("-inf")
        self._looking = asyncio.Lock()

    async def is_another(self, collection: str) -> bool:
        """Say whether readers read another collection than this; raises as ``clean`` does."""
        target = await self._read_by_readers(collection)
        return target is not None and target != collection

    async def clean(self, collection: str, item: SinkItem, kept: set[tuple[Visibility, str]]) -> int:
        """Delete the chunks whose text the ticket no longer has, all of them for a removed one.

        ``collection`` is the one the ticket is written to: where readers read it too, nothing happens.
        ``kept`` are visibility and content hash of the ticket's chunks. Returns the number of deleted
        objects. Raises UnavailableError, CredentialsError, and UserError when something that is not ours is
        in the place of ``Tickets``.
        """
        target = await self._read_by_readers(collection)
        if target is None or target == collection:
            return 0
        tenant, total = tenant_of(item.account), 0
        async for results in self._held(target, tenant, item):
            found = _gone(results, set() if item.removed else kept)
            if found:
                deletion = requests.delete(target, tenant, requests.with_ids(found))
                reply = await self._call("BatchDelete", deletion, target)
                total += len(reply.objects) if reply is not None else 0
        return total

    async def _held(self, target: str, tenant: str, item: SinkItem) -> AsyncIterator[list[Any]]:
        """Yield what the collection holds of a ticket, some at a time."""
        names = ["visibility", "content_hash"]
        request = requests.select(
            target, tenant, requests.of_tickets([item.ticket_id]), limit=_LISTED, properties=names
        )
        reply = await self._call("Search", request, target)
        results = list(reply.results) if reply is not None else []
        if len(results) < _LISTED:
            yield results
            return

        async def call(method: str, request: Any) -> Any:
            return await self._call(method, request, target)

        async for some in results_of(call, target, tenant, item.account, item.ticket_id, names):
            yield some

    async def _read_by_readers(self, collection: str) -> str | None:
        """Return what is behind the alias, which is made anew where somebody has deleted it."""
        async with self._looking:
            if time.monotonic() - self._looked_at > _POLL_ALIAS_SECONDS:
                client = self._connection.client
                with translated("looking for the collection that is read"):
                    self._target = await own_target(client)
                    # A collection that is lost too is made by its sink first.
                    lost = self._target is None and await client.collections.exists(collection)
                if lost:
                    await ensure_alias(client, collection)
                self._looked_at = time.monotonic()
            return self._target

    async def _call(self, method: str, request: Any, target: str) -> Any:
        try:
            return await self._connection.call(method, request, QUERY_SECONDS)
        except grpc.aio.AioRpcError as error:
            if is_missing_tenant(error) or is_missing_collection(error):
                return None
            raise as_error(error, f"taking out of {target} what tickets have lost") from error


def _gone(results: Sequence[Any], kept: set[tuple[Visibility, str]]) -> list[UUID]:
    """Return the ids of the chunks that are not kept."""
    gone = []
    for result in results:
        fields = result.properties.non_ref_props.fields
        place = (fields["visibility"].text_value, fields["content_hash"].text_value)
        if place not in kept:
            gone.append(object_id(result))
    return gone
