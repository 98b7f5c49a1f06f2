"""Requests to Weaviate: bounded, and what is given never becomes part of a query."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from weaviate.proto.v1 import base_pb2, batch_pb2

from streams.weaviate import requests
from streams.weaviate.gather_all import slices

SIZES = st.lists(st.integers(0, requests.BYTES_A_REQUEST // 3), max_size=12) | st.lists(
    st.just(10), min_size=150, max_size=450
)


@given(SIZES)
def test_batches_are_bounded_and_lose_nothing(sizes: list[int]) -> None:
    objects = [
        batch_pb2.BatchObject(uuid=str(number), vector_bytes=bytes(size)) for number, size in enumerate(sizes)
    ]
    batches = list(requests.batches(objects))
    assert [each.uuid for batch in batches for each in batch] == [each.uuid for each in objects]
    for batch in batches:
        assert 1 <= len(batch) <= requests.OBJECTS_A_REQUEST
        assert len(batch) == 1 or sum(each.ByteSize() for each in batch) <= requests.BYTES_A_REQUEST


def test_an_object_larger_than_a_request_travels_alone() -> None:
    large = batch_pb2.BatchObject(vector_bytes=bytes(requests.BYTES_A_REQUEST + 1))
    small = batch_pb2.BatchObject(uuid="s")
    assert [len(batch) for batch in requests.batches([small, large, small])] == [1, 1, 1]


@given(st.lists(st.integers()), st.integers(1, 5))
def test_slices_lose_nothing(items: list[int], size: int) -> None:
    parts = list(slices(items, size))
    assert [each for part in parts for each in part] == items
    assert all(1 <= len(part) <= size for part in parts)


@given(st.text())
def test_a_value_stays_a_value(value: str) -> None:
    filters = requests.equal_to("status", value)
    assert filters.operator == base_pb2.Filters.OPERATOR_EQUAL
    assert filters.target.property == "status"
    assert filters.value_text == value
    assert not filters.filters


def test_deleting_all_of_a_ticket_but_some() -> None:
    kept = UUID(int=5)
    both = requests.of_ticket_without(3, [kept])
    assert both.operator == base_pb2.Filters.OPERATOR_AND
    own, others = both.filters
    assert list(own.value_int_array.values) == [3]
    assert others.operator == base_pb2.Filters.OPERATOR_CONTAINS_NONE
    assert list(others.value_text_array.values) == [str(kept)]
    (everything,) = requests.of_ticket_without(3, []).filters
    assert list(everything.value_int_array.values) == [3]
