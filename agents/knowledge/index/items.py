"""What the sink is to write of a ticket, and what of it is to go. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Final
from uuid import UUID

from schemas.ids import Visibility, chunk_id
from schemas.messages.tickets import EmbeddedChunk, EmbeddedTicket
from schemas.tables import IndexedTicket
from schemas.vectors import decode_vector
from streams.sinks.base import ObjectWrite, SinkItem

_VISIBILITIES: Final[tuple[Visibility, Visibility]] = ("public", "internal")


def sink_item(
    ticket: EmbeddedTicket, before: IndexedTicket | None, empty_accounts: Container[str]
) -> SinkItem:
    """Return what the sink writes and deletes of a ticket; ``before`` is what the table held of it.

    A ticket that the table does not know needs no look-up of left-over chunks in a collection that held
    nothing of its account (``empty_accounts``).
    """
    kept = {(chunk.visibility, chunk.chunk_index) for chunk in ticket.chunks}
    counts = None if ticket.many is None else {each: ticket.many.of(each) for each in _VISIBILITIES}
    stale: list[UUID] | None = None
    if before is not None and before.collection == ticket.collection:
        stale = [
            chunk_id(ticket.account, ticket.ticket_id, visibility, index)
            for visibility in _VISIBILITIES
            for index in range(0 if counts is None else counts[visibility], before.count(visibility))
            if (visibility, index) not in kept
        ]
    elif before is None and ticket.account in empty_accounts:
        stale = []
    return SinkItem(
        account=ticket.account,
        ticket_id=ticket.ticket_id,
        facts=ticket.facts,
        upserts=writes_of(ticket.chunks, ticket.dimensions),
        stale_ids=stale,
        removed=ticket.removed,
        counts=counts,
    )


def writes_of(chunks: Iterable[EmbeddedChunk], dimensions: int) -> list[ObjectWrite]:
    """Return the objects of chunks. Raises DecodeError for a vector that is none of that size."""
    return [
        ObjectWrite(
            visibility=chunk.visibility,
            chunk_index=chunk.chunk_index,
            text=chunk.text,
            content_hash=chunk.content_hash,
            vector=decode_vector(chunk.vector, dimensions),
        )
        for chunk in chunks
    ]
