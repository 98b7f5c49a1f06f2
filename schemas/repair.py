"""JSON that a strict reader refuses, made readable: what cannot be kept becomes U+FFFD or null.

Two repairs, for use when strict reading has failed: the second costs some seconds for 10 MB.
"""

from __future__ import annotations

import math
import re
from typing import Final

MOST_NESTED: Final = 200
"""Levels that are kept. Readers of JSON give up at about 1,000."""
_LONGEST_NUMBER: Final = 300
"""Digits; msgspec takes 308 as a float, and Python 4,300 as an integer."""

_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<alone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_BLANKS: Final = bytes.maketrans(bytes(range(32)), b" " * 32)
"""For control characters: outside of texts some are blanks, inside none is allowed."""
_TOKEN: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{]|[\]}]|-?[0-9][0-9.eE+-]*', re.DOTALL)


def with_whole_texts(data: bytes) -> bytes:
    """Return JSON whose texts hold whole characters.

    A lone surrogate (``\\ud800`` without its other half) and bytes that are not UTF-8 become U+FFFD, and a
    control character becomes a blank.
    """
    data = data.decode("utf-8", "replace").encode().translate(_BLANKS)
    return _ESCAPE.sub(lambda escape: b"\\ufffd" if escape["alone"] else escape[0], data)


def within_bounds(data: bytes) -> bytes:
    """Return JSON with null for numbers out of range and for what lies deeper than MOST_NESTED levels."""
    parts: list[bytes] = []
    kept = depth = 0
    for token in _TOKEN.finditer(data):
        start, end = token.span()
        first = data[start]
        if first in b"[{":
            depth += 1
            if depth == MOST_NESTED + 1:
                parts.append(data[kept:start] + b"null")
        elif first in b"]}":
            depth -= 1
            if depth == MOST_NESTED:
                kept = end
        elif first not in b'"' and depth <= MOST_NESTED and not _is_readable(token[0]):
            parts.append(data[kept:start] + b"null")
            kept = end
    if depth <= MOST_NESTED:
        parts.append(data[kept:])
    return b"".join(parts)


def _is_readable(number: bytes) -> bool:
    try:
        return len(number) <= _LONGEST_NUMBER and math.isfinite(float(number))
    except ValueError:  # no number at all: not for us to mend
        return True
