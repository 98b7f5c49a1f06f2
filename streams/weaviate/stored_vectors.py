"""Reads vectors back, so that a chunk whose text is unchanged is not embedded again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import grpc  # type: ignore[import-untyped]

from schemas.vectors import Vector
from streams.weaviate import requests
from streams.weaviate.client import QUERY_SECONDS, WeaviateConnection
from streams.weaviate.collection import tenant_of
from streams.weaviate.failures import as_error, is_missing_collection, is_missing_tenant
from streams.weaviate.gather_all import gather_all, slices
from streams.weaviate.reading import object_id, stored_vector

_IDS_A_CALL: Final = 200


class StoredVectors:
    """The vectors of any collection."""

    def __init__(self, connection: WeaviateConnection) -> None:
        self._connection = connection

    async def stored_vectors(
        self, collection: str, account: str, ids: Sequence[UUID]
    ) -> dict[UUID, tuple[str, Vector]]:
        """Return content hash and float32 vector of those of the objects that exist in a collection.

        Raises UnavailableError, CredentialsError, and RefusedError when the account cannot be a tenant.
        """
        tenant = tenant_of(account)
        found: dict[UUID, tuple[str, Vector]] = {}
        for answer in await gather_all(
            self._fetch(collection, tenant, part) for part in slices(ids, _IDS_A_CALL)
        ):
            found |= answer
        return found

    async def _fetch(
        self, collection: str, tenant: str, ids: Sequence[UUID]
    ) -> dict[UUID, tuple[str, Vector]]:
        wanted = requests.with_ids(ids)
        request = requests.select(
            collection, tenant, wanted, limit=len(ids), properties=["content_hash"], vector=True
        )
        try:
            reply: Any = await self._connection.call("Search", request, QUERY_SECONDS)
        except grpc.aio.AioRpcError as error:
            if is_missing_tenant(error) or is_missing_collection(error):
                return {}
            raise as_error(error, f"reading vectors of {collection}") from error
        found: dict[UUID, tuple[str, Vector]] = {}
        for result in reply.results:
            vector = stored_vector(result)
            if vector is not None:
                content = result.properties.non_ref_props.fields["content_hash"].text_value
                found[object_id(result)] = (content, vector)
        return found
