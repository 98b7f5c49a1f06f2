"""A chunk on its way to Weaviate, and back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.errors import InvalidVectorError, RefusedError
from schemas.ids import chunk_id
from schemas.messages.tickets import TicketFacts
from schemas.vectors import Vector
from streams.sinks.base import ObjectWrite, SinkItem
from streams.sinks.weaviate.objects import batch_objects
from streams.weaviate.reading import uuid_of

FACTS = TicketFacts(
    subject="Printer on fire",
    status="open",
    priority="",
    tags=["a", "b"],
    requester="Jane",
    assignee="",
    organization="Acme",
    group="",
    created_at="2024-01-01T10:00:00Z",
    updated_at="",
)
VECTOR: Vector = np.arange(4, dtype=np.float32)


def item(*vectors: Vector, facts: TicketFacts = FACTS, **more: Any) -> SinkItem:
    writes = [
        ObjectWrite(visibility="internal", chunk_index=index, text="text", content_hash="hash", vector=vector)
        for index, vector in enumerate(vectors)
    ]
    return SinkItem(**{"account": "acme", "ticket_id": 7, "facts": facts, "upserts": writes, **more})


def test_object_holds_all_of_the_contract() -> None:
    (first, second) = batch_objects("Tickets_m_4_c1", 4, item(VECTOR, VECTOR + 1))
    assert (first.collection, first.tenant) == ("Tickets_m_4_c1", "acme")
    assert first.uuid == str(chunk_id("acme", 7, "internal", 0))
    assert second.uuid == str(chunk_id("acme", 7, "internal", 1))
    assert np.array_equal(np.frombuffer(second.vector_bytes, "<f4"), VECTOR + 1)
    assert dict(first.properties.non_ref_properties) == {
        "ticket_id": 7,
        "chunk_index": 0,
        "visibility": "internal",
        "text": "text",
        "words": "text",
        "content_hash": "hash",
        "subject": "Printer on fire",
        "subject_words": "printer on fire",
        "status": "open",
        "priority": "",
        "requester": "Jane",
        "assignee": "",
        "organization": "Acme",
        "group": "",
        "created_at": "2024-01-01T10:00:00Z",
    }
    (tags,) = first.properties.text_array_properties
    assert (tags.prop_name, list(tags.values)) == ("tags", ["a", "b"])


def test_no_tags_are_an_empty_list() -> None:
    (only,) = batch_objects("C", 4, item(VECTOR, facts=replace(FACTS, tags=[])))
    assert list(only.properties.empty_list_props) == ["tags"]
    assert not only.properties.text_array_properties


def test_removed_ticket_has_no_objects() -> None:
    assert batch_objects("C", 4, item(VECTOR, removed=True)) == []


def test_vectors_of_other_precision_are_written_as_float32() -> None:
    (only,) = batch_objects("C", 4, item(np.arange(4, dtype=">f8")))
    assert only.vector_bytes == VECTOR.tobytes()


@pytest.mark.parametrize(
    "vector",
    [VECTOR[:3], np.zeros((2, 2), np.float32), np.array([1, np.nan, 0, 0]), np.array([np.inf, 0, 0, 0])],
    ids=["short", "matrix", "nan", "infinite"],
)
def test_wrong_vectors_are_refused(vector: Vector) -> None:
    with pytest.raises(InvalidVectorError, match="chunk internal 0 of ticket 7"):
        batch_objects("C", 4, item(vector))


@pytest.mark.parametrize(
    "bad",
    [
        {"account": "no.tenant"},
        {"account": ""},
        {"account": "a" * 65},
        {"ticket_id": -1},
        {"ticket_id": 2**53 + 1},
        {"facts": replace(FACTS, requester="\ud800")},
        {"facts": replace(FACTS, tags=["\ud800"])},
    ],
)
def test_what_weaviate_never_takes_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(RefusedError):
        batch_objects("C", 4, item(VECTOR, **bad))


@given(st.uuids() | st.integers(0, 2**100).map(lambda number: UUID(int=number)))
def test_ids_come_back_without_their_leading_zeros(identity: UUID) -> None:
    assert uuid_of(identity.bytes.lstrip(b"\0")) == identity
