"""The rate at which this Weaviate takes batches of given objects, with nothing of the pipeline before it."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import msgspec

from schemas.settings.load import Settings
from streams.sinks.base import ObjectWrite, SinkItem
from streams.sinks.weaviate.objects import batch_objects
from streams.weaviate import requests
from streams.weaviate.client import WeaviateConnection, connect
from streams.weaviate.collection import ensure_collection
from streams.weaviate.contents import Contents
from streams.weaviate.reading import StoredChunk

_COLLECTION: Final = "Tickets_raw_writes"
_IN_FLIGHT: Final = 2


class RawRates(msgspec.Struct, kw_only=True):
    """Tickets and objects written, and the seconds it took to insert and to overwrite them."""

    tickets: int
    objects: int
    insert_seconds: float
    overwrite_seconds: float


async def raw_rates(settings: Settings) -> RawRates:
    """Write the account's own objects to an empty collection, and then once more over themselves."""
    async with await connect(settings) as connection:
        held: defaultdict[int, list[StoredChunk]] = defaultdict(list)
        async for chunk in Contents(connection).iterate_objects(settings.account, include_vector=True):
            held[chunk.ticket_id].append(chunk)
        size = settings.embedding_dimensions
        made = [
            each
            for number, chunks in held.items()
            for each in batch_objects(_COLLECTION, size, _item(settings.account, number, chunks))
        ]
        batches = [requests.upsert(batch) for batch in requests.batches(made)]
        await ensure_collection(connection.client, _COLLECTION)
        try:
            insert = await _write(connection, batches)
            overwrite = await _write(connection, batches)
        finally:
            await connection.client.collections.delete(_COLLECTION)
    return RawRates(tickets=len(held), objects=len(made), insert_seconds=insert, overwrite_seconds=overwrite)


def _item(account: str, number: int, chunks: list[StoredChunk]) -> SinkItem:
    upserts = [
        ObjectWrite(
            visibility=chunk.visibility,
            chunk_index=chunk.chunk_index,
            text=chunk.text,
            content_hash=chunk.content_hash,
            vector=chunk.vector,
        )
        for chunk in chunks
        if chunk.vector is not None
    ]
    return SinkItem(account=account, ticket_id=number, facts=chunks[0].facts, upserts=upserts)


async def _write(connection: WeaviateConnection, batches: Sequence[object]) -> float:
    """Send the batches, two at a time as the pipeline does, and return the seconds it took."""
    slots = asyncio.Semaphore(_IN_FLIGHT)

    async def send(batch: object) -> None:
        async with slots:
            reply = await connection.call("BatchObjects", batch)
            if reply.errors:
                raise RuntimeError(f"Weaviate did not take an object: {reply.errors[0].error}")

    began = time.monotonic()
    await asyncio.gather(*map(send, batches))
    return time.monotonic() - began
