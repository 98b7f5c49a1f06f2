"""A ticket's chunks with their vectors, as they are made; too many for one message are sent on meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from agents.knowledge.parts import PartSets
from agents.knowledge.sent_parts import SentParts
from schemas.codec import encode
from schemas.messages.tickets import EmbeddedChunk, EmbeddedPart, EmbeddedTicket, EnrichedTicket
from schemas.parts import EMBEDDED_PART_BYTES, ManyChunks, added
from schemas.tables import PartSet
from schemas.vectors import Vector, encode_vector
from streams.transforms.chunking import Chunk, Chunker


class Made(SentParts):
    """The embedded chunks of one ticket, and the parts they have become.

    ``name`` and ``entry`` are those of a set that another worker has begun for the same ticket,
    ``collection`` is where its vectors belong. ``texts`` and ``calls`` count what was embedded for it.
    """

    def __init__(
        self,
        sets: PartSets,
        partition: int,
        key: bytes,
        ticket: EnrichedTicket,
        collection: str,
        *,
        name: str = "",
        entry: PartSet | None = None,
    ) -> None:
        begun = None if entry is None else sets.begin(partition, key, entry, name)
        super().__init__(sets, partition, key, begun)
        self._ticket = ticket
        self._collection = collection
        self._chunks: list[EmbeddedChunk] = []
        self._bytes = 0
        before = PartSet(0) if entry is None else entry
        self.read = before.read
        """How many of the ticket's own parts are done."""
        self.chunker = Chunker(
            ticket.facts.subject,
            counts={"public": before.public, "internal": before.internal},
            begun=before.begun,
        )
        self._content = int(before.content or "0", 16)
        # A set that is complete was made, and counted, for an earlier message: a replay finds it as it is.
        complete = ticket.parts is not None and before.read == len(ticket.parts.refs)
        self.texts = 0 if complete else before.texts
        self.calls = 0 if complete else before.calls

    @property
    def is_large(self) -> bool:
        """Whether the ticket itself came in parts."""
        return self._ticket.parts is not None

    async def add(self, chunks: Iterable[Chunk], vectors: Mapping[str, Vector]) -> None:
        """Take in chunks; sends a part when there are more than one can hold."""
        for chunk in chunks:
            made = EmbeddedChunk(
                visibility=chunk.visibility,
                chunk_index=chunk.chunk_index,
                text=chunk.text,
                content_hash=chunk.content_hash,
                vector=encode_vector(vectors[chunk.content_hash]),
            )
            size = len(encode(made))
            if self._chunks and self._bytes + size > EMBEDDED_PART_BYTES:
                await self._send()
            self._chunks.append(made)
            self._bytes += size
            self._content = added(self._content, chunk.visibility, chunk.chunk_index, chunk.content_hash)

    async def part_done(self) -> None:
        """Note that all chunks of one more of the ticket's parts are made: a crash begins with the next."""
        self.read += 1
        if self._chunks:
            await self._send()
        if self.writer is None or self._ticket.parts is None:
            return
        many = self._many()
        await self.writer.save(
            replace(
                self.writer.entry,
                source=self._ticket.parts.set,
                collection=self._collection,
                read=self.read,
                refs=list(self.writer.refs),
                public=many.public,
                internal=many.internal,
                content=many.content,
                begun=self.chunker.begun,
                texts=self.texts,
                calls=self.calls,
            )
        )

    async def into(self, ticket: EmbeddedTicket) -> EmbeddedTicket:
        """Return a ticket with these chunks, public ones first, or with where they are."""
        ticket = replace(ticket, texts_embedded=self.texts, embedding_calls=self.calls)
        if self.writer is None:
            chunks = sorted(self._chunks, key=lambda one: (one.visibility != "public", one.chunk_index))
            return replace(ticket, chunks=chunks)
        if self._chunks:
            await self._send()
        return replace(ticket, parts=self.writer.parts, many=self._many())

    def _many(self) -> ManyChunks:
        counts = self.chunker.counts
        return ManyChunks(counts["public"], counts["internal"], f"{self._content:016x}")

    async def _send(self) -> None:
        ticket = self._ticket
        await self._send_part(
            EmbeddedPart(account=ticket.account, ticket_id=ticket.ticket_id, chunks=self._chunks)
        )
        self._chunks, self._bytes = [], 0
