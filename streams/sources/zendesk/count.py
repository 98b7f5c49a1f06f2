"""How many tickets an account has."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

import msgspec

from schemas.errors import RefusedError
from schemas.outside import Lenient, field_of, number_of
from streams.limits import Lane
from streams.sources.zendesk.client import Answer, ZendeskClient


class _Answer(msgspec.Struct):
    count: Any


_SEARCH_COUNT: Final = Lenient(_Answer, lambda answer: number_of(answer.count))
_TICKET_COUNT: Final = Lenient(_Answer, lambda answer: number_of(field_of(answer.count, "value")))


async def count_tickets(client: ZendeskClient, since: int, lane: Lane = "backfill") -> Answer[int]:
    """Return how many tickets have changed since (Unix seconds; 0: all), deleted ones left out.

    The search counts archived tickets too; the plain count, which does not, serves where it cannot be
    asked or does not tell. Raises RefusedError with status 200 where neither tells, and what
    ZendeskClient.get raises. Sources: Zendesk's API reference, "Search", "Show Results Count"; "Tickets",
    "Count Tickets".
    """
    query = "type:ticket"
    if since:
        query += f" updated>={datetime.fromtimestamp(since, UTC):%Y-%m-%dT%H:%M:%SZ}"
    path = f"/api/v2/search/count.json?query={quote(query, safe='')}"
    found, calls = None, 1
    with suppress(RefusedError):
        found, calls = await client.get(path, _SEARCH_COUNT, "count", lane=lane)
    if found is None:
        found, more = await client.get("/api/v2/tickets/count.json", _TICKET_COUNT, "count", lane=lane)
        calls += more
    if found is None:
        raise RefusedError("Zendesk does not say how many tickets there are", 200)
    return Answer(max(0, found), calls)
