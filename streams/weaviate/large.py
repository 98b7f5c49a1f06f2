"""Reads the chunks of a ticket that has more than one query may find.

Weaviate finds 10,000 objects at most, and pages through no more. But a chunk's id is made of its place, so
they are asked for by their ids, some at a time, until as many are found as the ticket has.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final, get_args

from schemas.ids import Visibility, chunk_id
from streams.weaviate import requests

MOST_CHUNKS: Final = 1_000_000
"""No ticket has more: Zendesk takes 5,000 comments of 64 kB, a chunk has some hundred bytes at least."""
_INDEXES_A_CALL: Final = 1_000

Call = Callable[[str, Any], Awaitable[Any]]
"""Makes a call of Weaviate's gRPC protocol; None is its answer where there is nothing."""


async def results_of(
    call: Call, collection: str, tenant: str, account: str, ticket_id: int, properties: Sequence[str]
) -> AsyncIterator[list[Any]]:
    """Yield the objects of a ticket, public and internal ones together, by their chunk indexes."""
    counted = await call("Aggregate", requests.count(collection, tenant, requests.of_tickets([ticket_id])))
    left = 0 if counted is None else int(counted.single_result.objects_count)
    start = 0
    while left > 0 and start < MOST_CHUNKS:
        ids = [
            chunk_id(account, ticket_id, visibility, index)
            for visibility in get_args(Visibility)
            for index in range(start, start + _INDEXES_A_CALL)
        ]
        request = requests.select(
            collection, tenant, requests.with_ids(ids), limit=len(ids), properties=properties
        )
        reply = await call("Search", request)
        results = list(reply.results) if reply is not None else []
        left -= len(results)
        start += _INDEXES_A_CALL
        yield results
