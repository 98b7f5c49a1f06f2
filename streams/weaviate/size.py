"""The size of the vectors a collection holds, which no schema tells: that of the first vector written."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import grpc  # type: ignore[import-untyped]

from streams.weaviate import requests
from streams.weaviate.client import QUERY_SECONDS, WeaviateConnection
from streams.weaviate.failures import as_error, is_missing_collection, is_missing_tenant, translated
from streams.weaviate.ownership import foreign_collection
from streams.weaviate.reading import stored_vector

_TENANTS_LOOKED_AT: Final = 20


async def stored_size(connection: WeaviateConnection, collection: str, tenant: str) -> int | None:
    """Return how many numbers a vector of the tenant has, None when it holds none.

    Raises UnavailableError and CredentialsError.
    """
    request = requests.page(collection, tenant, UUID(int=0), limit=1, properties=[], vector=True)
    try:
        reply = await connection.call("Search", request, QUERY_SECONDS)
    except grpc.aio.AioRpcError as error:
        if is_missing_tenant(error) or is_missing_collection(error):
            return None
        raise as_error(error, f"looking at the vectors of {collection}") from error
    vectors = [stored_vector(result) for result in reply.results]
    return next((vector.size for vector in vectors if vector is not None), None)


async def require_size(connection: WeaviateConnection, collection: str, dimensions: int) -> None:
    """Raise UserError when a collection holds vectors of another size: every write would be refused.

    Of many tenants the first are looked at: the size is the collection's.
    """
    with translated(f"listing the accounts of {collection}"):
        tenants = sorted(await connection.client.collections.use(collection).tenants.get())
    for tenant in tenants[:_TENANTS_LOOKED_AT]:
        size = await stored_size(connection, collection, tenant)
        if size is not None:
            if size != dimensions:
                raise foreign_collection(collection, f"its vectors have {size} numbers, not {dimensions}")
            return
