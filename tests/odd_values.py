"""Strategies that make answers odd: any field null, missing, or of another type."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

RECORDED = next(
    (
        found
        for up in Path(__file__).resolve().parents
        if (found := up / "shared/data/zendesk-recorded").is_dir()
    ),
    None,
)
"""Answers recorded from real accounts, beside the project; None where they are not."""

MISSING = object()
ODD: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(
        (
            *(None, MISSING, True, False, 0, -1, 5, 1.5, 103.0, 2**63, 2**64, -(2**70), 1e300),
            *("", "true", "1", "103", "9" * 40, "deleted", "\ud800", "a\udfffb", "nul \0 here"),
            *("9999-12-31T23:59:59Z", "2024-05-01", "soon"),
            *([], {}, [None], [None, 5, "x"], {"id": None}, [[[[]]]], {"a": {"b": [1, {}]}}),
        )
    ),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=6,
    ),
)


def paths_in(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of every field and item below a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield (*before, name)
        yield from paths_in(inner, (*before, name))


def with_odd(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    """Return a copy of a value with something odd, or nothing, at a place."""
    value = copy.deepcopy(value)
    holder = value
    for name in path[:-1]:
        holder = holder[name]
    if odd is not MISSING:
        holder[path[-1]] = odd
    elif isinstance(holder, dict):
        del holder[path[-1]]
    else:
        holder[path[-1]] = None
    return value


def wire(value: Any) -> bytes:
    """Return JSON as it can come: lone surrogates are escaped."""
    return json.dumps(value).encode()


def recorded(name: str) -> Any:
    """Return the body of a recorded answer, None where there are none."""
    if RECORDED is None:
        return None
    return json.loads((RECORDED / f"{name}.json").read_text())["response"]["body"]
