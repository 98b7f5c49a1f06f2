"""Compares every ticket of the sample account with what Weaviate holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from benchmarks.stack import BenchStack
from schemas.ids import Visibility
from schemas.zendesk import Comment
from streams.transforms.chunking import chunk_ticket
from streams.transforms.names import Names
from streams.transforms.whole_ticket import passages_of
from streams.weaviate.client import connect
from streams.weaviate.contents import Contents

_Place = tuple[int, Visibility, int]


class Compared(msgspec.Struct, kw_only=True):
    """Tickets of the account and objects of the index; chunks that are not as they should be."""

    tickets: int
    objects: int
    lost: int
    """Chunks that a ticket has and the index has not."""
    doubled: int
    """Objects for a chunk that has one already."""
    wrong: int
    """Chunks with another text."""
    orphaned: int
    """Objects that no ticket has."""


async def compare(stack: BenchStack) -> Compared:
    """Return what a comparison of the whole account finds."""
    settings = stack.settings
    held: dict[_Place, str] = {}
    objects = doubled = 0
    async with await connect(settings) as connection:
        async for chunk in Contents(connection).iterate_objects(settings.account):
            place = (chunk.ticket_id, chunk.visibility, chunk.chunk_index)
            objects += 1
            doubled += place in held
            held[place] = chunk.content_hash
    tickets = lost = wrong = 0
    with stack.zendesk() as zendesk:
        for truth in zendesk.truth():
            tickets += 1
            for place, text in _expected(truth).items():
                found = held.pop(place, None)
                lost += found is None
                wrong += found is not None and found != text
    return Compared(
        tickets=tickets, objects=objects, lost=lost, doubled=doubled, wrong=wrong, orphaned=len(held)
    )


def _expected(truth: Mapping[str, Any]) -> dict[_Place, str]:
    """Return the content hashes of a ticket's chunks; a removed one has none."""
    if truth["removed"]:
        return {}
    names = Names(users={int(user): name for user, name in truth["people"].items()})
    comments = msgspec.convert(truth["comments"], list[Comment])
    chunks = chunk_ticket(truth["ticket"]["subject"] or "", passages_of(comments, names))
    return {(truth["id"], one.visibility, one.chunk_index): one.content_hash for one in chunks}
