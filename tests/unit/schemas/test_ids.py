"""Names that must never change: keys, object ids, hashes, collections."""

from __future__ import annotations

import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.ids import (
    SCHEMA_VERSION,
    CollectionName,
    chunk_id,
    collection_name,
    content_hash,
    dead_letter_id,
    digest,
    of_this_schema,
    same_vectors,
    ticket_key,
)
from tests.shared_fixtures import QUICK


def test_a_ticket_key_is_account_and_id() -> None:
    assert ticket_key("acme", 42) == b"acme:42"


def test_known_ids_stay_what_they_are() -> None:
    # A release that names objects otherwise would leave every object of the earlier ones behind.
    assert str(chunk_id("acme", 42, "public", 0)) == "571da2d2-0fdf-5ae8-9159-60bcf877a344"
    assert str(chunk_id("acme", 42, "internal", 3)) == "bec2c0b3-6fff-5d66-a405-bd18564f2fbe"
    assert dead_letter_id("enrich", "tickets.changes", 3, 17) == "6b18ab4737555721"
    assert content_hash("Printer on fire") == "d3f3719d5e971f95add05fbcd4dd2b4b"
    assert digest(b"Printer on fire") == "b37bec45f198ce42"


def test_a_chunk_id_is_a_uuid5() -> None:
    assert chunk_id("acme", 42, "public", 0).version == 5
    assert chunk_id("acme", 42, "public", 0).variant == uuid.RFC_4122


NAMES = st.text("abc123-:", min_size=1, max_size=4)
CHUNKS = st.tuples(NAMES, st.integers(0, 200), st.sampled_from(["public", "internal"]), st.integers(0, 200))


@QUICK
@given(CHUNKS, CHUNKS)
def test_different_chunks_have_different_ids(one: tuple, other: tuple) -> None:
    assert (chunk_id(*one) == chunk_id(*other)) == (one == other)


def test_parts_never_run_together() -> None:
    assert chunk_id("acme", 1, "public", 11) != chunk_id("acme", 11, "public", 1)
    assert chunk_id("acme1", 1, "public", 1) != chunk_id("acme", 11, "public", 1)
    assert dead_letter_id("a", "b1", 1, 1) != dead_letter_id("a", "b", 11, 1)
    assert dead_letter_id("a", "b", 1, 11) != dead_letter_id("a", "b", 11, 1)


@QUICK
@given(st.text(), st.text())
def test_a_content_hash_changes_with_the_text(one: str, other: str) -> None:
    assert re.fullmatch("[0-9a-f]{32}", content_hash(one))
    assert (content_hash(one) == content_hash(other)) == (one == other)


def test_any_text_can_be_hashed() -> None:
    assert content_hash("a\ud800") != content_hash("a?")


@pytest.mark.parametrize(
    ("model", "dimensions", "name"),
    [
        ("gemini-embedding-001", 768, "Tickets_gemini_embedding_001_768_c1_s2"),
        ("wordllama", 256, "Tickets_wordllama_256_c1_s2"),
        ("models/über.model:2", 64, "Tickets_models_ber_model_2_64_c1_s2"),
    ],
)
def test_a_collection_is_named_for_model_size_and_chunker(model: str, dimensions: int, name: str) -> None:
    assert collection_name(model, dimensions, 1) == name


@QUICK
@given(st.text(max_size=20), st.integers(1, 4000), st.integers(1, 99))
def test_a_collection_name_is_one_weaviate_takes(model: str, dimensions: int, chunker: int) -> None:
    assert re.fullmatch(r"[A-Z][A-Za-z0-9_]*", collection_name(model, dimensions, chunker))


@QUICK
@given(st.text(min_size=1, max_size=20), st.integers(1, 4000), st.integers(1, 99))
def test_a_collection_name_tells_what_it_was_made_of(model: str, dimensions: int, chunker: int) -> None:
    name = collection_name(f"m{model}", dimensions, chunker)
    parts = CollectionName.of(name)
    assert parts is not None
    assert str(parts) == name
    assert parts[1:] == (dimensions, chunker, SCHEMA_VERSION)
    older = str(parts._replace(schema=1))
    assert same_vectors(name, older)
    assert of_this_schema(older) == name
    assert not same_vectors(name, str(parts._replace(dimensions=dimensions + 1)))


def test_model_size_and_chunker_each_make_another_collection() -> None:
    names = {collection_name(m, d, c) for m in ("a", "b") for d in (64, 128) for c in (1, 2)}
    assert len(names) == 8
