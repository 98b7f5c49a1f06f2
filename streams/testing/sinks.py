"""A sink in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from schemas.errors import PermanentError
from streams.sinks.base import ObjectWrite, SinkItem, SinkResult
from streams.sinks.weaviate.objects import batch_objects, object_id


class StoredObject(NamedTuple):
    """A chunk that an InMemorySink holds, and whose it is."""

    account: str
    ticket_id: int
    chunk: ObjectWrite


class InMemorySink:
    """Holds chunks of ``dimensions`` float32 numbers by their ids; refuses tickets by WeaviateSink's rules.

    Unlike Weaviate it takes dates of any form, and is never away by itself: each call to ``write`` raises the
    first of ``errors``, as long as there are any. ``batches`` are those it was given, refused ones too.
    """

    def __init__(self, dimensions: int) -> None:
        self.objects: dict[UUID, StoredObject] = {}
        self.batches: list[list[SinkItem]] = []
        self.errors: list[Exception] = []
        self._dimensions = dimensions

    async def setup(self) -> bool:
        """Return that readers read what this sink writes."""
        return True

    async def close(self) -> None:
        """Nothing has to be let go."""

    async def write(self, batch: Sequence[SinkItem]) -> list[SinkResult]:
        """Write a batch of different tickets; return one result each, in their order.

        Raises what ``errors`` says, and ValueError when a ticket is twice in the batch.
        """
        self.batches.append(list(batch))
        if len({(item.account, item.ticket_id) for item in batch}) < len(batch):
            raise ValueError("a ticket is twice in a batch")
        if self.errors:
            raise self.errors.pop(0)
        return [self._written(item) for item in batch]

    def _written(self, item: SinkItem) -> SinkResult:
        try:
            batch_objects("Tickets", self._dimensions, item)
        except PermanentError as error:
            return SinkResult(error=error)
        own = {} if item.removed else {object_id(item, chunk): chunk for chunk in item.upserts}
        gone = self._stale(item) - own.keys()
        for identity in gone:
            del self.objects[identity]
        for identity, chunk in own.items():
            self.objects[identity] = StoredObject(item.account, item.ticket_id, chunk)
        written = 0 if item.removed else len(item.upserts)
        return SinkResult(vectors_written=written, objects_deleted=len(gone))

    def _stale(self, item: SinkItem) -> set[UUID]:
        """Return the ids of what is held of a ticket and may go, unless it is written again."""
        if item.stale_ids is not None and not item.removed:
            return self.objects.keys() & set(item.stale_ids)
        held = {
            identity: one.chunk
            for identity, one in self.objects.items()
            if (one.account, one.ticket_id) == (item.account, item.ticket_id)
        }
        if item.counts is None or item.removed:
            return set(held)
        counts = item.counts
        return {
            identity for identity, one in held.items() if one.chunk_index >= counts.get(one.visibility, 0)
        }
