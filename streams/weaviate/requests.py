"""Requests of Weaviate's gRPC protocol. Pure: no I/O.

A value only ever fills a field of a message, so no text of a user or a ticket can become a query.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final
from uuid import UUID

from weaviate.proto.v1 import (
    aggregate_pb2,
    base_pb2,
    base_search_pb2,
    batch_delete_pb2,
    batch_pb2,
    search_get_pb2,
)

from schemas.vectors import Vector

OBJECTS_A_REQUEST: Final = 200
BYTES_A_REQUEST: Final = 4 * 1024 * 1024
"""Far below the 10 MB an older or strictly set server takes."""


def batches(objects: Iterable[batch_pb2.BatchObject]) -> Iterator[list[batch_pb2.BatchObject]]:
    """Yield the objects in requests of bounded number and size, in their order."""
    batch: list[batch_pb2.BatchObject] = []
    used = 0
    for item in objects:
        size = item.ByteSize()
        if batch and (len(batch) == OBJECTS_A_REQUEST or used + size > BYTES_A_REQUEST):
            yield batch
            batch, used = [], 0
        batch.append(item)
        used += size
    if batch:
        yield batch


def upsert(objects: Sequence[batch_pb2.BatchObject]) -> batch_pb2.BatchObjectsRequest:
    """Return the request that writes the objects; an id that exists is replaced as a whole."""
    return batch_pb2.BatchObjectsRequest(objects=objects)


def select(
    collection: str,
    tenant: str,
    filters: base_pb2.Filters,
    *,
    limit: int,
    properties: Sequence[str] | None,
    vector: bool = False,
) -> search_get_pb2.SearchRequest:
    """Return the request for ids and the named properties of what the filters let through."""
    request = _reading(collection, tenant, limit, properties)
    request.filters.CopyFrom(filters)
    request.metadata.vector = vector
    return request


def page(
    collection: str, tenant: str, after: UUID, *, limit: int, properties: Sequence[str], vector: bool
) -> search_get_pb2.SearchRequest:
    """Return the request for the objects whose ids follow ``after``."""
    request = _reading(collection, tenant, limit, properties)
    request.after = str(after)
    request.metadata.vector = vector
    return request


def near(
    collection: str,
    tenant: str,
    filters: Sequence[base_pb2.Filters],
    vector: Vector,
    *,
    limit: int,
    properties: Sequence[str],
) -> search_get_pb2.SearchRequest:
    """Return the request for what is nearest to a vector, with distances."""
    request = _searching(collection, tenant, filters, limit, properties)
    request.metadata.distance = True
    request.near_vector.CopyFrom(
        base_search_pb2.NearVector(vector_bytes=vector.astype("<f4", copy=False).tobytes())
    )
    return request


def keywords(
    collection: str,
    tenant: str,
    filters: Sequence[base_pb2.Filters],
    text: str,
    *,
    searched: Sequence[str],
    limit: int,
    properties: Sequence[str],
) -> search_get_pb2.SearchRequest:
    """Return the request for what has words of a text, with BM25 scores."""
    request = _searching(collection, tenant, filters, limit, properties)
    request.metadata.score = True
    request.bm25_search.CopyFrom(base_search_pb2.BM25(query=text, properties=searched))
    return request


def count(
    collection: str, tenant: str, filters: base_pb2.Filters | None = None
) -> aggregate_pb2.AggregateRequest:
    """Return the request for the number of objects, or of those the filters let through."""
    return aggregate_pb2.AggregateRequest(
        collection=collection, tenant=tenant, objects_count=True, filters=filters
    )


def delete(collection: str, tenant: str, filters: base_pb2.Filters) -> batch_delete_pb2.BatchDeleteRequest:
    """Return the request that deletes what the filters let through and names each object.

    One call deletes at most as many objects as a query of the server may find (10,000 by default).
    """
    return batch_delete_pb2.BatchDeleteRequest(
        collection=collection, tenant=tenant, filters=filters, verbose=True
    )


def of_tickets(ticket_ids: Sequence[int]) -> base_pb2.Filters:
    """Let through the objects of the tickets."""
    return base_pb2.Filters(
        operator=base_pb2.Filters.OPERATOR_CONTAINS_ANY,
        target=base_pb2.FilterTarget(property="ticket_id"),
        value_int_array=base_pb2.IntArray(values=ticket_ids),
    )


def of_ticket_without(ticket_id: int, ids: Iterable[UUID]) -> base_pb2.Filters:
    """Let through the objects of a ticket but those of the ids."""
    others = _by_id(base_pb2.Filters.OPERATOR_CONTAINS_NONE, ids)
    filters = [of_tickets([ticket_id])]
    if others.value_text_array.values:
        filters.append(others)
    return all_of(filters)


def all_of(filters: Sequence[base_pb2.Filters]) -> base_pb2.Filters:
    """Let through what each of the filters lets through."""
    return base_pb2.Filters(operator=base_pb2.Filters.OPERATOR_AND, filters=filters)


def with_ids(ids: Iterable[UUID]) -> base_pb2.Filters:
    """Let through the objects of the ids."""
    return _by_id(base_pb2.Filters.OPERATOR_CONTAINS_ANY, ids)


def equal_to(name: str, value: str) -> base_pb2.Filters:
    """Let through the objects whose property is the text, or has it among its texts."""
    return base_pb2.Filters(
        operator=base_pb2.Filters.OPERATOR_EQUAL,
        target=base_pb2.FilterTarget(property=name),
        value_text=value.encode(errors="replace").decode(),  # protobuf carries no lone surrogate
    )


def _by_id(operator: base_pb2.Filters.Operator, ids: Iterable[UUID]) -> base_pb2.Filters:
    return base_pb2.Filters(
        operator=operator,
        target=base_pb2.FilterTarget(property="_id"),
        value_text_array=base_pb2.TextArray(values=[str(each) for each in ids]),
    )


def _searching(
    collection: str,
    tenant: str,
    filters: Sequence[base_pb2.Filters],
    limit: int,
    properties: Sequence[str],
) -> search_get_pb2.SearchRequest:
    request = _reading(collection, tenant, limit, properties)
    if filters:
        request.filters.CopyFrom(all_of(filters))
    return request


def _reading(
    collection: str, tenant: str, limit: int, properties: Sequence[str] | None
) -> search_get_pb2.SearchRequest:
    """Return the start of a request; properties that are not named (None) are all that the collection has.

    A collection that an earlier release made lacks the later ones, and refuses to be asked for them by name.
    """
    return search_get_pb2.SearchRequest(
        collection=collection,
        tenant=tenant,
        limit=limit,
        properties=search_get_pb2.PropertiesRequest(
            non_ref_properties=properties or (), return_all_nonref_properties=properties is None
        ),
        metadata=search_get_pb2.MetadataRequest(uuid=True),
        uses_123_api=True,
        uses_125_api=True,
        uses_127_api=True,
    )
