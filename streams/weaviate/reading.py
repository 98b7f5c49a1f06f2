"""Properties as Weaviate's gRPC protocol returns them. Pure: no I/O."""

from __future__ import annotations

from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
import numpy as np

from schemas.ids import Visibility
from schemas.messages.tickets import TicketFacts
from schemas.vectors import Vector
from streams.weaviate.merged import Shown

_FACTS: Final = TicketFacts.__struct_fields__
_TEXTS: Final = tuple(name for name in _FACTS if name not in ("tags", "merged_into"))
PROPERTIES: Final = ("ticket_id", "chunk_index", "visibility", "text", "content_hash", *_FACTS)

PLACE_PROPERTIES: Final = ("ticket_id", "chunk_index", "visibility", "content_hash", "status", "updated_at")


class StoredPlace(NamedTuple):
    """Where a chunk stands, and what tells one state of its ticket from another."""

    id: UUID
    ticket_id: int
    visibility: Visibility
    chunk_index: int
    content_hash: str
    status: str
    updated_at: str


class StoredChunk(msgspec.Struct, kw_only=True, frozen=True):
    """A chunk as Weaviate holds it. ``vector`` is None unless it was asked for."""

    id: UUID
    ticket_id: int
    visibility: Visibility
    chunk_index: int
    text: str
    content_hash: str
    facts: TicketFacts
    vector: Vector | None = None


def stored_chunk(result: Any) -> StoredChunk:
    """Return the chunk of a result that was asked for with PROPERTIES, or all there are."""
    fields = result.properties.non_ref_props.fields
    texts = {name: _text(fields, name) for name in _TEXTS}
    return StoredChunk(
        id=object_id(result),
        ticket_id=fields["ticket_id"].int_value,
        visibility="public" if _text(fields, "visibility") == "public" else "internal",
        chunk_index=fields["chunk_index"].int_value,
        text=_text(fields, "text"),
        content_hash=_text(fields, "content_hash"),
        facts=TicketFacts(
            tags=list(fields["tags"].list_value.text_values.values),
            merged_into=fields["merged_into"].int_value,
            **texts,
        ),
        vector=stored_vector(result),
    )


def shown(result: Any) -> Shown:
    """Return what names the ticket of a result."""
    fields = result.properties.non_ref_props.fields
    return Shown(
        ticket_id=fields["ticket_id"].int_value,
        subject=_text(fields, "subject"),
        status=_text(fields, "status"),
        merged_into=fields["merged_into"].int_value,
    )


def stored_place(result: Any) -> StoredPlace:
    """Return the place of a result that was asked for with PLACE_PROPERTIES."""
    fields = result.properties.non_ref_props.fields
    return StoredPlace(
        object_id(result),
        fields["ticket_id"].int_value,
        "public" if _text(fields, "visibility") == "public" else "internal",
        fields["chunk_index"].int_value,
        _text(fields, "content_hash"),
        _text(fields, "status"),
        _text(fields, "updated_at"),
    )


def ticket_id(result: Any) -> int:
    """Return the ticket's number of a result that was asked for with it."""
    number: int = result.properties.non_ref_props.fields["ticket_id"].int_value
    return number


def object_id(result: Any) -> UUID:
    """Return the id of a result."""
    return uuid_of(result.metadata.id_as_bytes)


def uuid_of(raw: bytes) -> UUID:
    """Return the id of its bytes, of which Weaviate leaves out those of value 0 at the start."""
    return UUID(int=int.from_bytes(raw, "big"))


def stored_vector(result: Any) -> Vector | None:
    """Return the float32 vector of a result, None when it came without."""
    for named in result.metadata.vectors:
        return np.frombuffer(named.vector_bytes, dtype="<f4")
    return None


def _text(fields: Any, name: str) -> str:
    value = fields[name]
    text: str = value.date_value or value.text_value
    return text
