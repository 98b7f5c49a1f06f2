"""Vectors as they travel."""

from __future__ import annotations

import base64
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from schemas.errors import DecodeError
from schemas.vectors import decode_vector, encode_vector, normalized
from tests.shared_fixtures import QUICK

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@QUICK
@given(st.lists(FLOATS, max_size=64))
def test_a_vector_comes_back_bit_for_bit(values: list[float]) -> None:
    back = decode_vector(encode_vector(values), len(values))
    assert back.dtype == np.float32
    assert back.tolist() == values
    assert decode_vector(encode_vector(back)).tobytes() == back.tobytes()


@QUICK
@given(st.lists(FLOATS, min_size=1, max_size=8))
def test_any_language_can_read_it(values: list[float]) -> None:
    raw = base64.b64decode(encode_vector(values), validate=True)
    assert list(struct.unpack(f"<{len(values)}f", raw)) == values


def test_doubles_and_big_endians_are_turned_into_little_floats() -> None:
    expected = encode_vector([1.5, -2.0])
    assert expected == "AADAPwAAAMA="
    assert encode_vector(np.array([1.5, -2.0], dtype=">f4")) == expected
    assert encode_vector(np.array([1.5, -2.0], dtype="<f8")) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("!!!!", "not base64"),
        ("AAAA AAA", "not base64"),
        ("AAAAA", "not base64"),
        ("ünïcode", "not base64"),
        ("AAAA", "3 bytes, which is no multiple of 4"),
        ("AAAAAA==", "1 dimensions where 2 were expected"),
        ("", "0 dimensions where 2 were expected"),
        (encode_vector([1, float("nan")]), "no finite number"),
        (encode_vector([float("-inf"), 1]), "no finite number"),
    ],
)
def test_what_is_no_such_vector_is_refused(text: str, why: str) -> None:
    with pytest.raises(DecodeError, match=why):
        decode_vector(text, 2)


@QUICK
@given(st.text(max_size=40))
def test_no_text_makes_it_fail_otherwise(text: str) -> None:
    try:
        vector = decode_vector(text)
    except DecodeError:
        return
    assert vector.dtype == np.float32


ROWS = arrays.arrays(
    np.float32,
    st.tuples(st.integers(0, 5), st.integers(1, 8)),
    elements=st.floats(-1e6, 1e6, width=32, allow_subnormal=False).filter(lambda x: x == 0 or abs(x) > 1e-3),
)


@QUICK
@given(ROWS)
def test_rows_are_scaled_to_length_one_and_zeros_stay(rows: np.ndarray) -> None:
    scaled = normalized(rows)
    assert (scaled.shape, scaled.dtype) == (rows.shape, np.float32)
    for before, after in zip(rows, scaled, strict=True):
        if before.any():
            assert np.linalg.norm(after) == pytest.approx(1, abs=1e-5)
            assert np.allclose(after * np.linalg.norm(before), before, rtol=1e-4)
        else:
            assert not after.any()
