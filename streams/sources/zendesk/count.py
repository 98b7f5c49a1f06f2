"""How many tickets an account has."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

import msgspec

from schemas.errors import RefusedError
from streams.limits import Lane
from streams.sources.zendesk.client import Answer, ZendeskClient


class _Count(msgspec.Struct):
    value: int


class _TicketCount(msgspec.Struct):
    count: _Count


class _SearchCount(msgspec.Struct):
    count: int


_TICKET_COUNT: Final = msgspec.json.Decoder(_TicketCount)
_SEARCH_COUNT: Final = msgspec.json.Decoder(_SearchCount)


async def count_tickets(client: ZendeskClient, since: int, lane: Lane = "backfill") -> Answer[int]:
    """Return how many tickets have changed since (Unix seconds; 0: all), deleted ones left out.

    The search counts archived tickets too; the plain count, which does not, serves where it cannot be
    asked. Raises what ZendeskClient.get raises. Sources: Zendesk's API reference, "Search", "Show Results
    Count"; "Tickets", "Count Tickets".
    """
    query = "type:ticket"
    if since:
        query += f" updated>={datetime.fromtimestamp(since, UTC):%Y-%m-%dT%H:%M:%SZ}"
    path = f"/api/v2/search/count.json?query={quote(query, safe='')}"
    try:
        found, calls = await client.get(path, _SEARCH_COUNT, "count", lane=lane)
    except RefusedError:
        plain, calls = await client.get("/api/v2/tickets/count.json", _TICKET_COUNT, "count", lane=lane)
        return Answer(plain.count.value, calls + 1)
    return Answer(found.count, calls)
