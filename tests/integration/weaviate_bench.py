"""A sink with a collection and an account of its own, and chunks to write."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence

import numpy as np
import pytest

from schemas.ids import Visibility, chunk_id, content_hash
from schemas.messages.tickets import TicketFacts
from schemas.settings.load import Settings
from schemas.vectors import Vector
from streams.search.hybrid import Search
from streams.sinks.base import ObjectWrite, SinkItem
from streams.sinks.weaviate.sink import WeaviateSink
from streams.weaviate.client import WeaviateConnection, connect
from streams.weaviate.contents import Contents
from streams.weaviate.stored_vectors import StoredVectors

SIZE = 16
FACTS = TicketFacts(
    subject="Printer on fire",
    status="open",
    priority="high",
    tags=["hardware", "fire"],
    requester="Jane Doe",
    assignee="",
    organization="Acme & Söhne",
    group="Support",
    created_at="2024-01-01T10:00:00Z",
    updated_at="2024-02-01T10:00:00Z",
)


def vector_of(text: str) -> Vector:
    seed = int(content_hash(text)[:8], 16)
    return np.random.default_rng(seed).normal(size=SIZE).astype(np.float32)


def chunk(
    index: int, text: str, visibility: Visibility = "public", vector: Vector | None = None
) -> ObjectWrite:
    return ObjectWrite(
        visibility=visibility,
        chunk_index=index,
        text=text,
        content_hash=content_hash(text),
        vector=vector_of(text) if vector is None else vector,
    )


class Bench:
    """A sink with a collection and an account of its own."""

    def __init__(self, connection: WeaviateConnection) -> None:
        self.connection = connection
        self.collection = f"Tickets_test_{uuid.uuid4().hex[:12]}"
        self.account = f"acct-{uuid.uuid4().hex[:8]}"
        self.sink = WeaviateSink(connection, self.collection, SIZE)
        self.contents = Contents(connection, self.collection)
        self.vectors = StoredVectors(connection)
        self.find = Search(connection, self.collection)

    def item(
        self,
        ticket_id: int,
        *upserts: ObjectWrite,
        facts: TicketFacts = FACTS,
        stale: Sequence[uuid.UUID] | None = None,
        removed: bool = False,
        account: str | None = None,
    ) -> SinkItem:
        return SinkItem(
            account=account or self.account,
            ticket_id=ticket_id,
            facts=facts,
            upserts=upserts,
            stale_ids=stale,
            removed=removed,
        )

    def id_of(self, ticket_id: int, visibility: Visibility, index: int) -> uuid.UUID:
        return chunk_id(self.account, ticket_id, visibility, index)

    async def held(self, account: str | None = None) -> dict[tuple[int, str, int], str]:
        """Return the texts of the account by ticket, visibility and index."""
        everything = [each async for each in self.contents.iterate_objects(account or self.account)]
        return {(each.ticket_id, each.visibility, each.chunk_index): each.text for each in everything}


@pytest.fixture
async def bench(weaviate_settings: Settings) -> AsyncIterator[Bench]:
    async with await connect(weaviate_settings) as connection:
        bench = Bench(connection)
        yield bench
        await connection.client.collections.delete(bench.collection)
