"""The stage ``index``, the sink: a ticket's chunks are in Weaviate, and nothing else of it is."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Container, Iterable
from contextlib import aclosing
from typing import Final, Literal, Protocol

from msgspec.structs import replace

from agents.app.tables import Tables
from agents.engine.outcomes import Mark, Outcome
from agents.knowledge.index.entries import entry_of, is_overtaken, unsure_entry
from agents.knowledge.index.items import sink_item, writes_of
from agents.knowledge.parts import PartStore
from schemas.codec import decode_value, encode, headers_of
from schemas.errors import PermanentError
from schemas.ids import Visibility, is_own_name, of_this_schema
from schemas.lanes import Lane
from schemas.messages.tickets import (
    EmbeddedPart,
    EmbeddedTicket,
    IndexOutcome,
    Receipt,
)
from schemas.stages import INDEX
from schemas.tables import IndexedTicket
from schemas.topics import EMBEDDED, INDEXED
from schemas.versions import Standing, standing
from streams.kafka.messages import Incoming, Record, own_key
from streams.kafka.part_reader import PartsMissingError
from streams.sinks.base import SinkItem, SinkResult

STAGE = INDEX.name
_WRITTEN: Final = ("indexed", "removed")
_AT_ONCE: Final = 100
"""Chunks of a large ticket that are written together."""


class Writer(Protocol):
    """What index asks of the sink: one ticket in, its result out, batched with others between."""

    async def write(self, collection: str, dimensions: int, item: SinkItem, lane: Lane) -> SinkResult:
        """Write one ticket to a collection of vectors of that size."""


class Former(Protocol):
    """What index asks of the collection that is read while another is being filled."""

    async def is_another(self, collection: str) -> bool:
        """Say whether readers read another collection than this."""

    async def clean(self, collection: str, item: SinkItem, kept: set[tuple[Visibility, str]]) -> int:
        """Take out of it what a ticket written to ``collection`` has no more; returns how many objects.

        ``kept`` are visibility and content hash of all that the ticket has.
        """


class Index:
    """Handles ``tickets.embedded``.

    A replayed ticket is written even if the table knows it, as Weaviate may have lost it, but never over
    a newer version.

    The parts of a large ticket are read from their topic (``store``) when the ticket itself comes, and are
    written before anything is deleted.

    ``empty_accounts`` are those of which the collection held nothing when the worker started. ``former``
    is the collection readers read, where that is another. ``begun_span`` is how many messages of a partition
    a worker takes in at most before the first is acknowledged.
    """

    def __init__(
        self,
        tables: Tables,
        writer: Writer,
        store: PartStore,
        empty_accounts: Container[str] = frozenset(),
        former: Former | None = None,
        begun_span: int = 0,
    ) -> None:
        self._former = former
        self._store = store
        self._tables = tables
        self._writer = writer
        self._empty_accounts = empty_accounts
        self._begun_span = begun_span
        self._begun_below: dict[int, int | None] = {}

    def taken_over(self, partitions: Iterable[int]) -> None:
        """Note that another worker had these partitions, and may have died while it wrote tickets of them."""
        self._begun_below |= dict.fromkeys(partitions)

    def _may_be_begun(self, message: Incoming) -> bool:
        """Return whether the partition's former owner may have begun to write this."""
        if message.partition not in self._begun_below:
            return False
        below = self._begun_below[message.partition]
        if below is None:
            # After a take-over the first message is the oldest that the former owner has not acknowledged. It
            # can have begun to write that one, and as many behind it as a worker takes in at once.
            below = self._begun_below[message.partition] = message.offset + self._begun_span
        return message.offset < below

    async def handle(self, message: Incoming) -> Outcome:
        """Make Weaviate hold what the ticket holds, unless it does already or a newer version is there."""
        begun = self._may_be_begun(message)
        ticket = message.decoded(EmbeddedTicket)
        key = own_key(message, ticket.account, ticket.ticket_id)
        if not is_own_name(ticket.collection):
            raise PermanentError(f"{ticket.collection[:100]!r} is no collection of ticketstream's")
        # A ticket that was embedded for a collection of an older schema fits into the one filled now.
        ticket = replace(ticket, collection=of_this_schema(ticket.collection))
        before: IndexedTicket | None = self._tables["indexed"].get(message.partition, key)
        after = entry_of(ticket)
        where = standing(ticket.version, after.digest, before)
        replay = message.envelope.replay
        if where is Standing.NEW and before is not None and is_overtaken(ticket, before, bool(replay)):
            where = Standing.STALE
        if before is not None and where is not Standing.NEW and not (replay and where is Standing.DUPLICATE):
            repeat = before.origin == ticket.origin and where is Standing.DUPLICATE
            outcome: IndexOutcome = (
                "repeat" if repeat else ("stale" if where is Standing.STALE else "duplicate")
            )
            return self._done(message, ticket, outcome, None, SinkResult())
        # Made before any entry: a message whose vectors cannot be read must not raise the version in the
        # table.
        item = sink_item(ticket, before, self._empty_accounts)
        if before is not None and before.digest == after.digest and not replay:
            return self._done(message, ticket, "unchanged", after, SinkResult())
        if replay:  # Weaviate may hold something else than the table says, or nothing
            item = replace(item, stale_ids=None)
        if begun:
            item = replace(item, begun=True)
        lane = message.envelope.lane_of(ticket.source)
        # The state that is replayed was written to the collection that readers still use when it was new, and
        # the ticket has lost nothing since: there is nothing to take out of that collection.
        cleans = not (replay and (before is None or before.version == ticket.version))
        try:
            if cleans:
                await self._clean_former(message, key, ticket, item)
            result = await self._write_parts(message, key, ticket, item, lane)
        except PartsMissingError:
            if ticket.parts is None or self._store.is_noted(EMBEDDED, message.partition, key, ticket.parts):
                raise
            return self._done(message, ticket, "stale", unsure_entry(ticket, before), SinkResult())
        result = _sum(result, await self._write(ticket, item, lane))
        return self._done(message, ticket, "removed" if ticket.removed else "indexed", after, result)

    async def _write(self, ticket: EmbeddedTicket, item: SinkItem, lane: Lane) -> SinkResult:
        result = await self._writer.write(ticket.collection, ticket.dimensions, item, lane)
        if result.error is not None:
            raise result.error
        return result

    async def _write_parts(
        self, message: Incoming, key: bytes, ticket: EmbeddedTicket, item: SinkItem, lane: Lane
    ) -> SinkResult:
        """Write what a large ticket's parts hold, a few chunks at a time: others' come in between.

        It deletes nothing: chunks that the ticket has no more are deleted when the ticket itself is written.
        """
        result = SinkResult()
        if ticket.parts is None or ticket.many is None:
            return result
        counts: Counter[Visibility] = Counter()
        parts = self._store.read(EMBEDDED, message.partition, key, ticket.parts)
        async with self._store.turn(EMBEDDED), aclosing(parts):
            async for value in parts:
                chunks = decode_value(EmbeddedPart, value).chunks
                counts.update(chunk.visibility for chunk in chunks)
                writes = writes_of(chunks, ticket.dimensions)
                for start in range(0, len(writes), _AT_ONCE):
                    some = replace(item, upserts=writes[start : start + _AT_ONCE], stale_ids=[], counts=None)
                    result = _sum(result, await self._write(ticket, some, lane))
        if (counts["public"], counts["internal"]) != (ticket.many.public, ticket.many.internal):
            raise PermanentError(f"the parts of ticket {ticket.ticket_id} are not the chunks it should have")
        return result

    async def _clean_former(
        self, message: Incoming, key: bytes, ticket: EmbeddedTicket, item: SinkItem
    ) -> None:
        if self._former is None or not await self._former.is_another(ticket.collection):
            return
        kept = {(chunk.visibility, chunk.content_hash) for chunk in ticket.chunks}
        if ticket.parts is not None:
            parts = self._store.read(EMBEDDED, message.partition, key, ticket.parts)
            async with aclosing(parts):
                async for value in parts:
                    chunks = decode_value(EmbeddedPart, value).chunks
                    kept.update((chunk.visibility, chunk.content_hash) for chunk in chunks)
        await self._former.clean(ticket.collection, item, kept)

    def _done(
        self,
        message: Incoming,
        ticket: EmbeddedTicket,
        outcome: IndexOutcome,
        entry: IndexedTicket | None,
        result: SinkResult,
    ) -> Outcome:
        now = time.time()
        import_id = message.envelope.replay or ticket.import_id
        receipt = Receipt(
            account=ticket.account,
            ticket_id=ticket.ticket_id,
            version=ticket.version,
            outcome=outcome,
            changed_at=ticket.changed_at,
            indexed_at=now,
            origin=ticket.origin,
            chunks=len(ticket.chunks) if ticket.many is None else ticket.many.public + ticket.many.internal,
            vectors_written=result.vectors_written,
            objects_deleted=result.objects_deleted,
            import_id=import_id,
        )
        key = message.key
        marks = [] if entry is None or key is None else [Mark("indexed", key, entry)]
        fresh = message.envelope.lane_of(ticket.source) == "live" and outcome in _WRITTEN
        verdicts: dict[IndexOutcome, Literal["sent", "skipped", "repeated"]] = {
            "duplicate": "skipped",
            "stale": "skipped",
            "repeat": "repeated",
        }
        return Outcome(
            verdicts.get(outcome, "sent"),
            reason=outcome,
            records=[Record(INDEXED, message.partition, key, encode(receipt), headers_of(receipt))],
            marks=marks,
            account=ticket.account,
            import_id=import_id,
            vectors=result.vectors_written,
            # Only a change that was written counts. One that a webhook told of first, and the export again,
            # was fresh the first time. A ticket without any time has 0.
            changed_at=ticket.changed_at if fresh and ticket.changed_at else None,
        )


def _sum(one: SinkResult, other: SinkResult) -> SinkResult:
    return SinkResult(
        vectors_written=one.vectors_written + other.vectors_written,
        objects_deleted=one.objects_deleted + other.objects_deleted,
    )
