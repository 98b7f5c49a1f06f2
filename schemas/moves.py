"""Keys that have moved to another partition, and how a change of the number of partitions is known.

With more partitions a key's state lies elsewhere than its older messages. Its newest message on a compacted
topic is copied to its new partition; a message without a value, marked with a header, takes its place in
the old one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from schemas.state import APP_ID

MOVED_HEADER: Final = "moved-to"
"""Kafka header of what stands in the place of a key that has moved: the number of its new partition."""
_MARKER: Final = re.compile(rf"{APP_ID}-scale-([1-9]\d{{0,3}})-to-([1-9]\d{{0,3}})")


def moved_headers(partition: int) -> list[tuple[str, bytes]]:
    """Return the headers that say where a key has moved."""
    return [(MOVED_HEADER, str(partition).encode())]


def is_moved(value: bytes | None, headers: Iterable[tuple[str, bytes]] | None) -> bool:
    """Return whether a message only stands in the place of a key that has moved."""
    return value is None and any(name == MOVED_HEADER for name, _ in headers or ())


def scale_marker(before: int, after: int) -> str:
    """Return the topic that exists for as long as a change of the number of partitions is not finished."""
    return f"{APP_ID}-scale-{before}-to-{after}"


def scale_under_way(topics: Iterable[str]) -> tuple[int, int] | None:
    """Return the numbers of partitions before and after a change that has begun and not ended."""
    found = (_MARKER.fullmatch(topic) for topic in topics)
    return next(((int(match[1]), int(match[2])) for match in found if match), None)
