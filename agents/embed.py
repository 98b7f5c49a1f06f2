"""The stage ``embed``: a whole ticket becomes chunks with vectors."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

import msgspec
from cachetools import LRUCache

from agents.outcomes import Done, Incoming, own_key
from agents.producer import Record
from agents.tables import Tables
from schemas.codec import decode, encode, headers_of
from schemas.ids import Visibility, chunk_id, same_vectors
from schemas.messages import EmbeddedChunk, EmbeddedTicket, EnrichedTicket
from schemas.replays import replay_headers, replay_of
from schemas.state import IndexedTicket
from schemas.topics import EMBEDDED
from schemas.vectors import Vector, encode_vector
from streams.embeddings.batcher import Embedded
from streams.limits import Lane
from streams.transforms.chunking import Chunk, chunk_ticket

STAGE = "embed"
_RECENT_BYTES = 4 * 1024 * 1024
_OVERTAKING_TICKETS = 10_000


class Batcher(Protocol):
    """What embed asks of the embedding provider's batcher."""

    async def embed(self, texts: Sequence[str], *, lane: Lane) -> Embedded:
        """Return one vector a text."""


class StoredVectors(Protocol):
    """What embed asks of Weaviate."""

    async def stored_vectors(
        self, collection: str, account: str, ids: Sequence[UUID]
    ) -> dict[UUID, tuple[str, Vector]]:
        """Return content hash and vector of the objects that exist."""


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
        collection: str,
        dimensions: int,
    ) -> None:
        self._tables = tables
        self._batcher = batcher
        self._stored = stored
        self._collection = collection
        self._dimensions = dimensions
        self._overtook: LRUCache[bytes, tuple[int, int]] = LRUCache(_OVERTAKING_TICKETS)
        # The same signature or greeting again and again, and a ticket changing twice in a moment.
        self._recent: LRUCache[str, Vector] = LRUCache(_RECENT_BYTES, getsizeof=lambda vector: vector.nbytes)
        self.from_recent = self.from_stored = self.embedded = 0

    def may_overtake(self, message: Incoming) -> bool:
        """Say whether a message need not wait for an earlier one of its ticket: a live change."""
        if replay_of(message.headers):
            return False
        try:
            return msgspec.json.decode(message.value or b"", type=_Kind).source == "live"
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False

    async def handle(self, message: Incoming) -> Done:
        """Return the ticket's chunks with their vectors."""
        ticket = decode(EnrichedTicket, message.value, message.headers)
        key = own_key(message, ticket.account, ticket.ticket_id)
        replay = replay_of(message.headers)
        chunks = [] if ticket.removed else chunk_ticket(ticket.facts.subject, ticket.passages)
        vectors = await self._known(message.partition, key, ticket, chunks)
        missing = list(dict.fromkeys(c.content_hash for c in chunks if c.content_hash not in vectors))
        calls = 0
        if missing:
            texts = {chunk.content_hash: chunk.text for chunk in chunks}
            lane: Lane = "live" if ticket.source == "live" and not replay else "backfill"
            embedded = await self._batcher.embed([texts[content] for content in missing], lane=lane)
            calls = embedded.calls
            self.embedded += len(missing)
            for content, vector in zip(missing, embedded.vectors, strict=True):
                # A row is a view that would keep the whole call's vectors in memory.
                vectors[content] = self._recent[content] = vector.copy()
        result = EmbeddedTicket(
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
            chunks=[
                EmbeddedChunk(
                    visibility=chunk.visibility,
                    chunk_index=chunk.chunk_index,
                    text=chunk.text,
                    content_hash=chunk.content_hash,
                    vector=encode_vector(vectors[chunk.content_hash]),
                )
                for chunk in chunks
            ],
            removed=ticket.removed,
            import_id=ticket.import_id,
            texts_embedded=len(missing),
            embedding_calls=calls,
        )
        overtakes = ticket.source == "live" and not replay
        place = (ticket.version, message.offset)
        if overtakes:
            self._overtook[key] = max(place, self._overtook.get(key, place))

        def still_wanted() -> bool:
            # The newest version must be the last on the topic, which keeps the last only.
            return place >= self._overtook.get(key, place)

        return Done(
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
            calls=calls,
            overtakes=overtakes,
            still_wanted=None if replay else still_wanted,
        )

    async def _known(
        self, partition: int, key: bytes, ticket: EnrichedTicket, chunks: list[Chunk]
    ) -> dict[str, Vector]:
        """Return the vectors of texts that need no embedding, by content hash."""
        contents = {chunk.content_hash for chunk in chunks}
        vectors = {content: self._recent[content] for content in contents if content in self._recent}
        self.from_recent += len(vectors)
        before: IndexedTicket | None = self._tables["indexed"].get(partition, key)
        # Those of another collection serve too, where it is of the same model: one whose schema is older.
        if before is None or not same_vectors(before.collection, self._collection):
            return vectors
        wanted = contents - vectors.keys()
        held: list[tuple[Visibility, list[str]]] = [("public", before.public), ("internal", before.internal)]
        ids = [
            chunk_id(ticket.account, ticket.ticket_id, visibility, index)
            for visibility, hashes in held
            for index, content in enumerate(hashes)
            if content in wanted
        ]
        if ids:
            stored = await self._stored.stored_vectors(before.collection, ticket.account, ids)
            kept = {
                content: vector
                for content, vector in stored.values()
                if content in wanted and vector.size == self._dimensions
            }
            self.from_stored += len(kept)
            vectors |= kept
        return vectors
