"""Keys that have moved to another partition, and how a change of the number of partitions is known.

With more partitions a key's state lies elsewhere than its older messages. Its newest message on a compacted
topic is copied to its new partition; a message without a value, marked with a header, takes its place in
the old one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

MOVED_HEADER: Final = "moved-to"
"""Kafka header of what stands in the place of a key that has moved: the number of its new partition."""


def moved_headers(partition: int) -> list[tuple[str, bytes]]:
    """Return the headers that say where a key has moved."""
    return [(MOVED_HEADER, str(partition).encode())]


def is_moved(value: bytes | None, headers: Iterable[tuple[str, bytes]] | None) -> bool:
    """Return whether a message only stands in the place of a key that has moved."""
    return value is None and any(name == MOVED_HEADER for name, _ in headers or ())
