"""Vectors that need no embedding: of texts embedded a moment ago, or in Weaviate already."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Final, Protocol
from uuid import UUID

from schemas.ids import Visibility, chunk_id, same_vectors
from schemas.messages.tickets import EnrichedTicket
from schemas.tables import IndexedTicket
from schemas.vectors import Vector
from streams.transforms.chunking import Chunk

_BOTH: Final[tuple[Visibility, Visibility]] = ("public", "internal")
_REACH: Final = 64
"""How many indexes around its own a chunk of a large ticket is looked for: text that was added or removed
before the chunk has moved it."""


class StoredVectors(Protocol):
    """What is asked of Weaviate."""

    async def stored_vectors(
        self, collection: str, account: str, ids: Sequence[UUID]
    ) -> dict[UUID, tuple[str, Vector]]:
        """Return content hash and vector of the objects that exist."""


class Known:
    """Looks for the vectors of one ticket's chunks, some chunks at a time.

    ``before`` is the ticket's entry in the table ``indexed``: the content hashes by chunk index say where in
    Weaviate a text lies. A large ticket's entry has no hashes, so a text is looked for around its own index.
    """

    def __init__(
        self,
        stored: StoredVectors,
        recent: MutableMapping[str, Vector],
        before: IndexedTicket | None,
        ticket: EnrichedTicket,
        collection: str,
        dimensions: int,
    ) -> None:
        self._stored = stored
        self._recent = recent
        # Vectors of another collection serve too if its model is the same, as in one with an older schema.
        serves = before is not None and same_vectors(before.collection, collection)
        self._before = before if serves else None
        self._ticket = ticket
        self._dimensions = dimensions
        self._moved: dict[Visibility, int] = {}
        self.from_recent = self.from_stored = 0

    async def vectors(self, chunks: Sequence[Chunk]) -> dict[str, Vector]:
        """Return the vectors that are known, by content hash."""
        contents = {chunk.content_hash for chunk in chunks}
        vectors = {content: self._recent[content] for content in contents if content in self._recent}
        self.from_recent += len(vectors)
        if self._before is None:
            return vectors
        wanted = contents - vectors.keys()
        if self._before.many is None:
            stored = await self._by_hash(self._before, wanted)
        else:
            stored = {}
            for visibility in _BOTH:
                own = [c for c in chunks if c.visibility == visibility and c.content_hash in wanted]
                stored |= await self._around(self._before, visibility, own)
        self.from_stored += len(stored)
        return vectors | stored

    async def _by_hash(self, before: IndexedTicket, wanted: set[str]) -> dict[str, Vector]:
        held: list[tuple[Visibility, list[str]]] = [("public", before.public), ("internal", before.internal)]
        places = [
            (visibility, index)
            for visibility, hashes in held
            for index, content in enumerate(hashes)
            if content in wanted
        ]
        found = await self._at(before.collection, places)
        return {content: vector for content, (_, vector) in found.items() if content in wanted}

    async def _around(
        self, before: IndexedTicket, visibility: Visibility, chunks: Sequence[Chunk]
    ) -> dict[str, Vector]:
        vectors: dict[str, Vector] = {}
        asked: set[int] = set()
        for reach in (0, _REACH):
            left = {c.content_hash: c.chunk_index for c in chunks if c.content_hash not in vectors}
            moved = self._moved.get(visibility, 0)
            near = {
                place
                for index in left.values()
                for place in range(index + moved - reach, index + moved + reach + 1)
                if 0 <= place < before.count(visibility)
            }
            found = await self._at(before.collection, [(visibility, place) for place in sorted(near - asked)])
            asked |= near
            for content, (place, vector) in found.items():
                if content in left:
                    vectors[content] = vector
                    self._moved[visibility] = place - left[content]
        return vectors

    async def _at(
        self, collection: str, places: Sequence[tuple[Visibility, int]]
    ) -> dict[str, tuple[int, Vector]]:
        """Return the vectors at places of the ticket, by content hash, with the index of the place."""
        ticket = self._ticket
        ids = {
            chunk_id(ticket.account, ticket.ticket_id, visibility, index): index
            for visibility, index in places
        }
        if not ids:
            return {}
        stored = await self._stored.stored_vectors(collection, ticket.account, list(ids))
        return {
            content: (ids[identity], vector)
            for identity, (content, vector) in stored.items()
            if vector.size == self._dimensions
        }
