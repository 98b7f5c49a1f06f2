"""Tickets too large for one message: their parts are sent first, then a closing mark that names them.

The closing mark is the ticket's ordinary message, under its own key, without what lies in the parts. A part
lies in the ticket's partition, under a key of its own. Where a part lies and what it must be is in the mark,
so that no reader ever takes one state's part for another's.
"""

from __future__ import annotations

from typing import Final

import msgspec

from schemas.ids import Visibility

PART_BYTES: Final = 1024 * 1024
"""A ticket with more text than this is sent on in parts of about this size, as UTF-8 JSON."""
EMBEDDED_PART_BYTES: Final = 2 * 1024 * 1024
"""The same with vectors: of 3,072 dimensions some 110 chunks."""

_SPREAD: Final = 0x9E3779B97F4A7C15
_MASK: Final = 2**64 - 1
_LARGEST_INDEX: Final = 2**31 - 1


class PartRef(msgspec.Struct, frozen=True, array_like=True):
    """A part: its offset when it was sent, and the digest of its value."""

    offset: int
    digest: str


class Parts(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a closing mark says of its parts, in their order.

    ``set`` is in the keys of all, and in no other parts' keys; ``partition`` is where they were sent.
    """

    set: str
    partition: int
    refs: list[PartRef]


class ManyChunks(msgspec.Struct, frozen=True):
    """How many chunks a large ticket has, and a sum (16 hex digits) that changes with any of their texts."""

    public: int
    internal: int
    content: str

    def of(self, visibility: Visibility) -> int:
        """Return how many chunks of a visibility there are."""
        return self.public if visibility == "public" else self.internal


def place_of(visibility: Visibility, chunk_index: int) -> int:
    """Return a number for the place of a chunk in its ticket: even for public ones, odd for internal ones."""
    index = chunk_index if 0 <= chunk_index < _LARGEST_INDEX else _LARGEST_INDEX
    return index << 1 | (visibility != "public")


def content_of(place: int, content_hash: str) -> int:
    """Return 64 bits that change when the content of a place does; what is no hash is 0."""
    try:
        content = int(content_hash[:16], 16)
    except ValueError:
        content = 0
    return (content ^ (place + 1) * _SPREAD) & _MASK


def added(content: int, visibility: Visibility, chunk_index: int, content_hash: str) -> int:
    """Return the sum over chunks' places and content hashes with one more; the order does not matter."""
    return (content + content_of(place_of(visibility, chunk_index), content_hash)) & _MASK
