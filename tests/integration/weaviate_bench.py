"""A sink with a collection and an account of its own, and chunks to write."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from schemas.settings.load import Settings
from schemas.vectors import Vector
from streams.search.hybrid import Search
from streams.sinks.weaviate.sink import WeaviateSink
from streams.weaviate.client import WeaviateConnection, connect
from streams.weaviate.contents import Contents
from streams.weaviate.stored_vectors import StoredVectors
from tests.behaviour.sink import FACTS, SIZE, SinkBench, chunk, vector_of

__all__ = ["FACTS", "SIZE", "Bench", "bench", "chunk", "vector_of"]


class Bench(SinkBench):
    """A sink with a collection and an account of its own."""

    def __init__(self, connection: WeaviateConnection) -> None:
        self.connection = connection
        self.collection = f"Tickets_test_{uuid.uuid4().hex[:12]}"
        self.account = f"acct-{uuid.uuid4().hex[:8]}"
        self.sink = WeaviateSink(connection, self.collection, SIZE)
        self.contents = Contents(connection, self.collection)
        self.vectors = StoredVectors(connection)
        self.find = Search(connection, self.collection)

    async def held(self, account: str | None = None) -> dict[tuple[int, str, int], str]:
        everything = [each async for each in self.contents.iterate_objects(account or self.account)]
        return {(each.ticket_id, each.visibility, each.chunk_index): each.text for each in everything}

    async def vectors_of(self, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, tuple[str, Vector]]:
        return await self.vectors.stored_vectors(self.collection, self.account, ids)

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """Have Weaviate take no write of the account meanwhile."""
        config = self.connection.client.collections.use(self.collection).config
        await config.update_shards("READONLY", self.account)
        yield
        await config.update_shards("READY", self.account)


@pytest.fixture
async def bench(weaviate_settings: Settings) -> AsyncIterator[Bench]:
    async with await connect(weaviate_settings) as connection:
        bench = Bench(connection)
        yield bench
        await connection.client.collections.delete(bench.collection)
