"""A chunk as Weaviate's gRPC protocol carries it. Pure: no I/O."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import numpy as np
from google.protobuf.struct_pb2 import Struct, Value  # type: ignore[import-untyped]
from weaviate.proto.v1 import base_pb2, batch_pb2

from schemas.errors import InvalidVectorError, RefusedError
from schemas.ids import chunk_id
from schemas.messages.tickets import TicketFacts
from schemas.vectors import Vector
from streams.sinks.base import ObjectWrite, SinkItem
from streams.transforms.chunking import own_text
from streams.transforms.words import words_of
from streams.weaviate.collection import tenant_of

_LARGEST_INTEGER: Final = 2**53
"""Weaviate's batch protocol carries numbers as doubles, exact up to here."""


def object_id(item: SinkItem, write: ObjectWrite) -> UUID:
    """Return the id under which Weaviate holds the chunk."""
    return chunk_id(item.account, item.ticket_id, write.visibility, write.chunk_index)


def batch_objects(collection: str, dimensions: int, item: SinkItem) -> list[batch_pb2.BatchObject]:
    """Return the objects of a ticket; none of a removed one.

    Raises InvalidVectorError when a vector is not ``dimensions`` finite numbers, RefusedError when the
    account, the ticket's number or a text can never be in Weaviate.
    """
    tenant = tenant_of(item.account)
    if not 0 <= item.ticket_id <= _LARGEST_INTEGER:
        raise RefusedError(f"the ticket number {item.ticket_id} is out of range")
    if item.removed:
        return []
    try:
        facts = _facts(item.ticket_id, item.facts)
        return [_object(collection, tenant, dimensions, item, write, facts) for write in item.upserts]
    except (UnicodeError, ValueError, TypeError) as error:  # protobuf refuses what is not Unicode
        raise RefusedError(f"a text of ticket {item.ticket_id} cannot be stored: {error}") from error


def with_another_vector(made: batch_pb2.BatchObject) -> batch_pb2.BatchObject:
    """Return a copy whose vector differs in the last bit of its first number."""
    copy = batch_pb2.BatchObject()
    copy.CopyFrom(made)
    copy.vector_bytes = bytes([made.vector_bytes[0] ^ 1]) + made.vector_bytes[1:]
    return copy


def _object(
    collection: str,
    tenant: str,
    dimensions: int,
    item: SinkItem,
    write: ObjectWrite,
    facts: batch_pb2.BatchObject.Properties,
) -> batch_pb2.BatchObject:
    made = batch_pb2.BatchObject(
        uuid=str(object_id(item, write)),
        collection=collection,
        tenant=tenant,
        vector_bytes=_vector_bytes(write.vector, dimensions, item, write),
        properties=facts,
    )
    # Filled in place: this is done for every chunk, and protobuf copies what a constructor is given.
    fields = made.properties.non_ref_properties.fields
    fields["chunk_index"].number_value = write.chunk_index
    fields["text"].string_value = write.text
    fields["words"].string_value = " ".join(words_of(own_text(item.facts.subject, write.text)))
    fields["content_hash"].string_value = write.content_hash
    fields["visibility"].string_value = write.visibility
    return made


def _facts(ticket_id: int, facts: TicketFacts) -> batch_pb2.BatchObject.Properties:
    texts = {
        "subject": facts.subject,
        "status": facts.status,
        "priority": facts.priority,
        "requester": facts.requester,
        "assignee": facts.assignee,
        "organization": facts.organization,
        "group": facts.group,
    }
    # Zendesk's ISO 8601 in UTC is RFC 3339, which Weaviate asks for; it takes no empty date.
    dates = {"created_at": facts.created_at, "updated_at": facts.updated_at}
    fields = {name: Value(string_value=text) for name, text in texts.items()}
    fields |= {name: Value(string_value=date) for name, date in dates.items() if date}
    fields["subject_words"] = Value(string_value=" ".join(words_of(facts.subject)))
    fields["ticket_id"] = Value(number_value=ticket_id)
    if facts.merged_into:
        fields["merged_into"] = Value(number_value=facts.merged_into)
    tags = [base_pb2.TextArrayProperties(prop_name="tags", values=facts.tags)] if facts.tags else []
    return batch_pb2.BatchObject.Properties(
        non_ref_properties=Struct(fields=fields),
        text_array_properties=tags,
        empty_list_props=() if tags else ("tags",),
    )


def _vector_bytes(vector: Vector, dimensions: int, item: SinkItem, write: ObjectWrite) -> bytes:
    where = f"chunk {write.visibility} {write.chunk_index} of ticket {item.ticket_id}"
    if vector.shape != (dimensions,):
        raise InvalidVectorError(
            f"the vector of {where} has the shape {vector.shape}; the collection takes {dimensions} numbers"
        )
    # Weaviate would take it, and its index would never find anything near it again.
    if not np.isfinite(vector).all():
        raise InvalidVectorError(f"the vector of {where} holds something that is not a number")
    return vector.astype("<f4", copy=False).tobytes()
