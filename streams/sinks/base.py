"""What every sink does: set itself up, write batches of whole tickets, say what became of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

import msgspec

from schemas.errors import PermanentError
from schemas.ids import Visibility
from schemas.messages.tickets import TicketFacts
from schemas.vectors import Vector


class ObjectWrite(msgspec.Struct, kw_only=True, frozen=True):
    """A chunk to hold from now on, with its float32 vector."""

    visibility: Visibility
    chunk_index: int
    text: str
    content_hash: str
    vector: Vector


class SinkItem(msgspec.Struct, kw_only=True, frozen=True):
    """All that the store shall hold of a ticket.

    ``stale_ids`` are objects the ticket had and has no more; None means that what the store holds of
    the ticket is unknown, and the sink finds out. ``removed`` means that nothing of the ticket may
    stay; ``upserts`` do not matter then. ``begun`` means that another worker may have written a part of
    this before it died, so that the store may hold half of it. ``counts`` is set for a ticket whose chunks
    were written before, some at a time: how many it has of each visibility. What else the store holds of it
    goes.
    """

    account: str
    ticket_id: int
    facts: TicketFacts
    upserts: Sequence[ObjectWrite] = ()
    stale_ids: Sequence[UUID] | None = None
    removed: bool = False
    begun: bool = False
    counts: Mapping[Visibility, int] | None = None


class SinkResult(msgspec.Struct, kw_only=True, frozen=True):
    """What became of one ticket. With an error, the ticket can never be written as it is."""

    error: PermanentError | None = None
    vectors_written: int = 0
    objects_deleted: int = 0


class Sink(Protocol):
    """A store of chunks. Writing the same batch twice has the effect of writing it once."""

    async def setup(self) -> bool:
        """Make the store ready; return whether readers read what this sink writes."""

    async def write(self, batch: Sequence[SinkItem]) -> list[SinkResult]:
        """Write a batch of different tickets and return one result each, in their order.

        Raises RetryableError when the whole batch has to be written again, CredentialsError when the
        store refuses the login, ValueError when a ticket is twice in the batch.
        """

    async def close(self) -> None:
        """Let go of what the sink itself holds."""
