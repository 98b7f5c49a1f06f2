"""Finds and deletes what Weaviate holds of tickets and should hold no more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import grpc  # type: ignore[import-untyped]
from weaviate.exceptions import WeaviateBaseError

from schemas.errors import UnavailableError
from schemas.ids import Visibility, chunk_id
from streams.sinks.base import SinkItem
from streams.weaviate import requests
from streams.weaviate.client import QUERY_SECONDS, WeaviateConnection
from streams.weaviate.collection import tenant_of
from streams.weaviate.failures import as_error, is_missing_tenant, translated
from streams.weaviate.gather_all import gather_all, slices
from streams.weaviate.large import MOST_CHUNKS
from streams.weaviate.reading import object_id, ticket_id, uuid_of

_LISTED: Final = 5_000
"""Objects one look-up may find; Weaviate's own limit is 10,000."""
_TICKETS_A_CALL: Final = 200
_IDS_A_CALL: Final = 1_000


class Orphans:
    """Looks into one collection."""

    def __init__(self, connection: WeaviateConnection, collection: str) -> None:
        self._connection = connection
        self._collection = collection
        self._begun: dict[tuple[str, int], set[UUID]] = {}
        """Of tickets whose deletions had no answer: what was to go, which a filter may no longer find."""

    async def find(self, items: Mapping[int, SinkItem]) -> dict[int, set[UUID] | None]:
        """Return, by the items' keys, the ids Weaviate holds of each ticket; None for too many to list.

        Items that name their stale ids get those, without a look; of a removed one they are added to what is
        found. One query finds all others of an account. Raises UnavailableError and CredentialsError.
        """
        found: dict[int, set[UUID] | None] = {}
        unknown: defaultdict[str, dict[int, int]] = defaultdict(dict)
        for key, item in items.items():
            if item.counts is not None and item.stale_ids is None and not item.removed:
                found[key] = None
            elif item.removed or item.stale_ids is None:
                found[key] = set(item.stale_ids or ())
                unknown[tenant_of(item.account)][item.ticket_id] = key
            else:
                found[key] = set(item.stale_ids)
        calls = [
            self._look_up(tenant, tickets)
            for tenant, keys in unknown.items()
            for tickets in slices(list(keys.items()), _TICKETS_A_CALL)
        ]
        for answer in await gather_all(calls):
            for key, ids in answer.items():
                found[key] = None if ids is None else ids | (found[key] or set())
        for key, item in items.items():
            begun = self._begun.get((item.account, item.ticket_id))
            seen = found[key]
            if begun and seen is not None:
                found[key] = seen | begun
        return found

    async def delete(
        self,
        items: Mapping[int, SinkItem],
        found: Mapping[int, set[UUID] | None],
        kept: Mapping[int, set[UUID]],
    ) -> dict[int, int]:
        """Delete what was found but not kept; return the number of deleted objects by the items' keys.

        Those that no filter finds are not counted: Weaviate does not say whether they were there.

        Raises UnavailableError and CredentialsError.
        """
        deleted: defaultdict[int, int] = defaultdict(int)
        owners: defaultdict[str, dict[UUID, int]] = defaultdict(dict)
        for key, ids in found.items():
            item = items[key]
            tenant = tenant_of(item.account)
            if ids is None and item.counts is not None and not item.removed:
                deleted[key] = await self._delete_beyond(tenant, item, item.counts)
            elif ids is None:
                deleted[key] = await self._delete_all(tenant, item.ticket_id, kept[key])
            else:
                owners[tenant] |= dict.fromkeys(ids - kept[key], key)
        begun = {(items[key].account, items[key].ticket_id): ids or set() for key, ids in found.items()}
        self._begun |= begun
        for tenant, owned in owners.items():
            for part in slices(list(owned), _IDS_A_CALL):
                gone = set(await self._delete(tenant, requests.with_ids(part)))
                # What a Weaviate that was killed has not indexed (see upserts.py), no filter finds.
                for each in part:
                    if each in gone:
                        deleted[owned[each]] += 1
                    else:
                        await self._delete_one(tenant, each)
        for ticket in begun:
            del self._begun[ticket]
        return deleted

    async def _look_up(self, tenant: str, tickets: Sequence[tuple[int, int]]) -> dict[int, set[UUID] | None]:
        """Return the ids Weaviate holds of the tickets (number, key), by key."""
        keys = dict(tickets)
        filters = requests.of_tickets(list(keys))
        request = requests.select(self._collection, tenant, filters, limit=_LISTED, properties=["ticket_id"])
        reply = await self._call("Search", request, QUERY_SECONDS)
        results = reply.results if reply is not None else ()
        found: dict[int, set[UUID] | None] = {}
        if len(results) < _LISTED:
            ids: defaultdict[int, set[UUID]] = defaultdict(set)
            for result in results:
                ids[keys[ticket_id(result)]].add(object_id(result))
            return {key: ids[key] for key in keys.values()}
        if len(tickets) == 1:
            return {tickets[0][1]: None}
        for ticket in tickets:
            found |= await self._look_up(tenant, [ticket])
        return found

    async def _delete_all(self, tenant: str, ticket_id: int, kept: set[UUID]) -> int:
        total = 0
        while gone := len(await self._delete(tenant, requests.of_ticket_without(ticket_id, list(kept)))):
            total += gone
        return total

    async def _delete_beyond(self, tenant: str, item: SinkItem, counts: Mapping[Visibility, int]) -> int:
        """Delete the chunks of a large ticket whose indexes are beyond those it has.

        To keep them by their ids would take a filter of megabytes.
        """
        kept, total, start = sum(counts.values()), 0, 0
        while start < MOST_CHUNKS and await self._count(tenant, item.ticket_id) > kept:
            ids = [
                chunk_id(item.account, item.ticket_id, visibility, count + start + number)
                for visibility, count in counts.items()
                for number in range(_IDS_A_CALL)
            ]
            total += len(await self._delete(tenant, requests.with_ids(ids)))
            start += _IDS_A_CALL
        return total

    async def _count(self, tenant: str, ticket_id: int) -> int:
        """Return how many objects Weaviate holds of a ticket."""
        filters = requests.of_tickets([ticket_id])
        request = requests.count(self._collection, tenant, filters)
        reply = await self._call("Aggregate", request, QUERY_SECONDS)
        return 0 if reply is None else int(reply.single_result.objects_count)

    async def _delete(self, tenant: str, filters: Any) -> list[UUID]:
        reply = await self._call("BatchDelete", requests.delete(self._collection, tenant, filters))
        if reply is None:
            return []
        failed = [deletion for deletion in reply.objects if not deletion.successful]
        if failed:
            raise UnavailableError(
                f"Weaviate could not delete {len(failed)} objects of {self._collection}: "
                f"{failed[0].error[:300]}"
            )
        return [uuid_of(deletion.uuid) for deletion in reply.objects]

    async def _delete_one(self, tenant: str, identity: UUID) -> None:
        with translated(f"looking for left-overs in {self._collection}"):
            try:
                await self._connection.delete_object(self._collection, tenant, identity)
            except WeaviateBaseError as error:
                if not is_missing_tenant(error):
                    raise

    async def _call(self, method: str, request: Any, timeout: float | None = None) -> Any:
        """Return the answer, None when nothing was ever written for the account."""
        try:
            if timeout is None:
                return await self._connection.call(method, request)
            return await self._connection.call(method, request, timeout)
        except grpc.aio.AioRpcError as error:
            if is_missing_tenant(error):
                return None
            raise as_error(error, f"looking for left-overs in {self._collection}") from error
