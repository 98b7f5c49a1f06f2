"""Rows are cut out of JSON rightly wherever the pieces that are read begin and end."""

from __future__ import annotations

import io
import json
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import UserError
from streams.sources.files import values
from streams.sources.files.values import Piece, Values

TEXT = st.text(alphabet='ab"\\[]{}:,\n é😀', max_size=12)
VALUE: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
ROWS = st.lists(st.dictionaries(TEXT, VALUE, max_size=4), max_size=6)


def cut(text: str, *, chunk: int = 1 << 20, held: int = 1 << 25, largest: int = 1 << 28) -> list[Piece]:
    with mock.patch.object(values, "_CHUNK", chunk), mock.patch.object(values, "HELD_PAGE_BYTES", held):
        source = io.BufferedReader(io.BytesIO(text.encode()))
        return list(Values("x", source, largest=largest, kept=10))


@given(
    rows=ROWS,
    chunk=st.integers(1, 40),
    indent=st.none() | st.integers(0, 2),
    layout=st.sampled_from(["array", "one after another", "arrays", "page"]),
)
def test_rows_are_the_same_wherever_pieces_end(
    rows: list[Any], chunk: int, indent: int | None, layout: str
) -> None:
    def dump(value: Any) -> str:
        return json.dumps(value, indent=indent, ensure_ascii=False)

    text = {
        "array": dump(rows),
        "one after another": "\n".join(dump(row) for row in rows),
        "arrays": dump([rows[:2], rows[2:]]),
        "page": dump({"meta": {"a": [{}]}, "tickets": rows, "users": [{"id": 1}], "end": True}),
    }[layout]
    found = cut(text, chunk=chunk, held=0 if layout == "page" else 1 << 25)
    if layout == "page" and not rows:
        return  # nothing in it makes a page of it
    assert [json.loads(piece.raw) for piece in found] == rows
    assert all(piece.whole for piece in found)


@given(rows=ROWS.filter(bool), chunk=st.integers(1, 40), end=st.integers(1, 30))
def test_what_is_cut_off_is_said_and_never_read_as_whole(rows: list[Any], chunk: int, end: int) -> None:
    text = json.dumps(rows)
    with pytest.raises(UserError, match="is cut off or damaged after row"):
        cut(text[: max(1, len(text) - end)], chunk=chunk)


@given(size=st.integers(20, 200), chunk=st.integers(1, 40), escaped=st.booleans())
def test_a_row_over_the_limit_is_passed_and_the_next_is_whole(size: int, chunk: int, escaped: bool) -> None:
    large = {"a": ('"\\' if escaped else "x") * size, "b": [{}, "]"]}
    found = cut(json.dumps([large, {"id": 2}, large]), chunk=chunk, largest=15)
    assert [piece.whole for piece in found] == [False, True, False]
    assert (found[0].raw, found[1].raw) == (json.dumps(large).encode()[:10], b'{"id": 2}')
