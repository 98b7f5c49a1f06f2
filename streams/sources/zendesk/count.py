"""How many tickets an account has."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, TypeVar
from urllib.parse import quote

import msgspec

from schemas.errors import CredentialsError, RefusedError, RetryableError
from streams.limits import Lane
from streams.sources.zendesk.client import Answer, ZendeskClient


class _Count(msgspec.Struct):
    value: int


class _TicketCount(msgspec.Struct):
    count: _Count


class _SearchCount(msgspec.Struct):
    count: int


T = TypeVar("T")

_TRIES: Final = 2
_TICKET_COUNT: Final = msgspec.json.Decoder(_TicketCount)
_SEARCH_COUNT: Final = msgspec.json.Decoder(_SearchCount)


async def count_tickets(client: ZendeskClient, since: int, lane: Lane = "backfill") -> Answer[int | None]:
    """Return how many tickets have changed since (Unix seconds; 0: all), deleted ones left out.

    The search counts archived tickets too; the plain count, which does not, serves where it cannot be
    asked. A count is good to know, and nothing needs it: None when neither can be had, for whatever reason,
    without waiting for long. Sources: Zendesk's API reference, "Search", "Show Results Count"; "Tickets",
    "Count Tickets".
    """
    query = "type:ticket"
    if since:
        query += f" updated>={datetime.fromtimestamp(since, UTC):%Y-%m-%dT%H:%M:%SZ}"
    asked = 0

    async def ask(path: str, decoder: msgspec.json.Decoder[T]) -> T | None:
        nonlocal asked
        try:
            found, calls = await client.get(path, decoder, "count", lane=lane, patience=_TRIES)
        except (RefusedError, CredentialsError, RetryableError):
            asked += 1  # at least
            return None
        asked += calls
        return found

    counted: int | None = None
    searched = await ask(f"/api/v2/search/count.json?query={quote(query, safe='')}", _SEARCH_COUNT)
    if searched is not None:
        counted = searched.count
    elif (plain := await ask("/api/v2/tickets/count.json", _TICKET_COUNT)) is not None:
        counted = plain.count.value
    return Answer(counted if counted is not None and counted >= 0 else None, asked)
