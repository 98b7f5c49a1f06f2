"""The stage ``embed``: a whole ticket becomes chunks with vectors."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from contextlib import aclosing
from typing import Protocol

import msgspec
from cachetools import LRUCache

from agents.app.tables import Tables
from agents.engine.outcomes import Outcome
from agents.knowledge.embed.known_vectors import Known, StoredVectors
from agents.knowledge.embed.made import Made
from agents.knowledge.parts import PartStore
from schemas.codec import decode_value, encode, headers_of, peek
from schemas.errors import CredentialsError, RetryableError
from schemas.headers.replays import replay_headers
from schemas.lanes import Lane
from schemas.messages.tickets import EmbeddedTicket, EnrichedPart, EnrichedTicket
from schemas.stages import EMBED
from schemas.tables import IndexedTicket
from schemas.topics import EMBEDDED, ENRICHED
from schemas.vectors import Vector
from streams.embeddings.batcher import Embedded
from streams.kafka.messages import Incoming, Record, own_key
from streams.kafka.part_reader import PartsMissingError
from streams.transforms.chunking import Chunk
from streams.weaviate.gather_all import slices

STAGE = EMBED.name
_RECENT_BYTES = 4 * 1024 * 1024
_OVERTAKING_TICKETS = 10_000
_AT_ONCE = 128
"""Chunks of a ticket whose vectors are asked for together."""
_AT_ONCE_LIVE = 48
_SLICES = 2
"""Slices of a ticket under way at once: the second fills the call that the first leaves half empty."""
_TAIL_SECONDS = 0.5


class Batcher(Protocol):
    """What embed asks of the embedding provider's batcher."""

    async def embed(self, texts: Sequence[str], *, lane: Lane) -> Embedded:
        """Return one vector a text."""

    def flush(self) -> None:
        """Send what waits for company now."""


class _Kind(msgspec.Struct):
    source: str = ""


class Embed:
    """Handles ``tickets.enriched``. A chunk whose text is in Weaviate already keeps its vector.

    Live changes overtake the backfill's tickets before them in their partition, which wait for company in
    a call, for quota, or for the next day's cap. ``from_recent``, ``from_stored`` and ``embedded`` count
    texts by where their vectors came from: another ticket's, Weaviate, or the provider.
    """

    def __init__(
        self,
        tables: Tables,
        batcher: Batcher,
        stored: StoredVectors,
        *,
        store: PartStore,
        collection: str,
        dimensions: int,
    ) -> None:
        self._store = store
        self._sets = store.sets[EMBEDDED]
        self._tables = tables
        self._batcher = batcher
        self._stored = stored
        self._collection = collection
        self._dimensions = dimensions
        self._overtook: LRUCache[bytes, tuple[int, int]] = LRUCache(_OVERTAKING_TICKETS)
        # For texts that soon come again: a signature, a greeting, a ticket that changes twice in a moment.
        self._recent: LRUCache[str, Vector] = LRUCache(_RECENT_BYTES, getsizeof=lambda vector: vector.nbytes)
        self.from_recent = self.from_stored = self.embedded = 0

    def may_overtake(self, message: Incoming) -> bool:
        """Say whether a message need not wait for an earlier one of its ticket: a live change."""
        if message.envelope.replay:
            return False  # a replay never does, so its value need not be read
        told = peek(message.value, _Kind)
        return told is not None and message.envelope.lane_of(told.source) == "live"

    async def handle(self, message: Incoming) -> Outcome:
        """Return the ticket's chunks with their vectors; those of a large one are sent before, in parts."""
        ticket = message.decoded(EnrichedTicket)
        key = own_key(message, ticket.account, ticket.ticket_id)
        replay = message.envelope.replay
        lane = message.envelope.lane_of(ticket.source)
        overtakes = lane == "live"
        before: IndexedTicket | None = self._tables["indexed"].get(message.partition, key)
        made = self._begin(message.partition, key, ticket)
        try:
            if not ticket.removed:
                await self._make(message, key, ticket, before, made, lane)
            result = await made.into(self._result(ticket))
        except PartsMissingError:
            await made.undo()
            if ticket.parts is None or self._store.is_noted(ENRICHED, message.partition, key, ticket.parts):
                raise
            import_id = replay or ticket.import_id
            return Outcome("skipped", reason="stale", account=ticket.account, import_id=import_id)
        except (RetryableError, CredentialsError):
            made.close()
            raise
        except Exception:
            await made.undo()
            raise
        except BaseException:
            made.close()
            raise
        place = (ticket.version, message.offset)
        if overtakes:
            self._overtook[key] = max(place, self._overtook.get(key, place))

        def is_current() -> bool:
            # The topic is compacted: it keeps the last message of a key only, which must be the newest
            # version.
            return place >= self._overtook.get(key, place)

        done = Outcome(
            "sent",
            records=[
                Record(
                    EMBEDDED,
                    message.partition,
                    key,
                    encode(result),
                    headers_of(result) + replay_headers(replay),
                )
            ],
            account=ticket.account,
            import_id=replay or ticket.import_id,
            calls=made.calls,
            ahead_of_order=overtakes,
            is_current=None if replay else is_current,
        )
        return self._sets.settle(done, message.partition, key, made.writer)

    def _begin(self, partition: int, key: bytes, ticket: EnrichedTicket) -> Made:
        """Return what is there of a ticket: of a large one, what a worker that died has made."""
        if ticket.parts is not None:
            for name, entry in self._sets.find(partition, key).items():
                same = entry.source == ticket.parts.set and entry.collection == self._collection
                if same and not self._sets.is_open(name):
                    return Made(self._sets, partition, key, ticket, self._collection, name=name, entry=entry)
        return Made(self._sets, partition, key, ticket, self._collection)

    def _result(self, ticket: EnrichedTicket) -> EmbeddedTicket:
        return EmbeddedTicket(
            account=ticket.account,
            ticket_id=ticket.ticket_id,
            version=ticket.version,
            changed_at=ticket.changed_at,
            embedded_at=time.time(),
            source=ticket.source,
            origin=ticket.origin,
            collection=self._collection,
            dimensions=self._dimensions,
            facts=ticket.facts,
            removed=ticket.removed,
            import_id=ticket.import_id,
        )

    async def _make(
        self,
        message: Incoming,
        key: bytes,
        ticket: EnrichedTicket,
        before: IndexedTicket | None,
        made: Made,
        lane: Lane,
    ) -> None:
        known = Known(self._stored, self._recent, before, ticket, self._collection, self._dimensions)
        try:
            if ticket.parts is None:
                public = any(passage.visibility == "public" for passage in ticket.passages)
                chunks = made.chunker.add(ticket.passages) + made.chunker.end(public=public)
                await self._embed(chunks, known, made, lane)
                return
            parts = self._store.read(ENRICHED, message.partition, key, ticket.parts, made.read)
            async with self._store.turn(ENRICHED), aclosing(parts):
                async for value in parts:
                    passages = decode_value(EnrichedPart, value).passages
                    await self._embed(made.chunker.add(passages), known, made, lane)
                    await made.part_done()
                await self._embed(made.chunker.end(), known, made, lane)
        finally:
            self.from_recent += known.from_recent
            self.from_stored += known.from_stored

    async def _embed(self, chunks: list[Chunk], known: Known, made: Made, lane: Lane) -> None:
        """Add chunks with their vectors, some at a time: a large ticket's texts leave room for others'."""
        waiting: deque[tuple[Sequence[Chunk], asyncio.Task[dict[str, Vector]]]] = deque()
        # A live change that comes after a large one then waits for one call with texts of it, not for many.
        humble = lane == "live" and made.is_large
        left = deque(slices(chunks, _AT_ONCE_LIVE if humble else _AT_ONCE))
        many = len(left) > 1
        try:
            while left or waiting:
                while left and len(waiting) < (1 if humble else _SLICES):
                    some = left.popleft()
                    waiting.append((some, asyncio.create_task(self._vectors(some, known, made, lane))))
                some, task = waiting[0]
                if many and not left and not (await asyncio.wait({task}, timeout=_TAIL_SECONDS))[0]:
                    self._batcher.flush()  # no more of this part comes: it need not wait for company
                await made.add(some, await task)
                waiting.popleft()
        finally:
            for _, task in waiting:
                task.cancel()
            await asyncio.gather(*(task for _, task in waiting), return_exceptions=True)

    async def _vectors(
        self, chunks: Sequence[Chunk], known: Known, made: Made, lane: Lane
    ) -> dict[str, Vector]:
        vectors = await known.vectors(chunks)
        texts = {c.content_hash: c.text for c in chunks if c.content_hash not in vectors}
        if texts:
            embedded = await self._batcher.embed(list(texts.values()), lane=lane)
            made.calls += embedded.calls
            made.texts += len(texts)
            self.embedded += len(texts)
            for content, vector in zip(texts, embedded.vectors, strict=True):
                # A row is a view that would keep the whole call's vectors in memory.
                vectors[content] = self._recent[content] = vector.copy()
        return vectors
