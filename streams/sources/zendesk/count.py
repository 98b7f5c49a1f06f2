"""How many tickets an account has."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

import msgspec

from schemas.errors import CredentialsError, RefusedError, RetryableError
from schemas.lanes import Lane
from schemas.outside import Lenient, field_of, number_of
from streams.sources.zendesk.client import Answer, Reads, ZendeskClient


class _Answer(msgspec.Struct):
    count: Any


_TRIES: Final = 2
_SEARCH_COUNT: Final = Lenient(_Answer, lambda answer: number_of(answer.count))
_TICKET_COUNT: Final = Lenient(_Answer, lambda answer: number_of(field_of(answer.count, "value")))


async def count_tickets(client: ZendeskClient, since: int, lane: Lane = "backfill") -> Answer[int | None]:
    """Return how many tickets have changed since (Unix seconds; 0: all), deleted ones left out.

    The search counts archived tickets too; the plain count, which does not, serves where it cannot be
    asked or does not tell. A count is good to know, and nothing needs it: None when neither can be had, for
    whatever reason, without waiting for long. Sources: Zendesk's API reference, "Search", "Show Results
    Count"; "Tickets", "Count Tickets".
    """
    query = "type:ticket"
    if since:
        query += f" updated>={datetime.fromtimestamp(since, UTC):%Y-%m-%dT%H:%M:%SZ}"
    asked = 0

    async def ask(path: str, reader: Reads[int | None]) -> int | None:
        nonlocal asked
        try:
            found, calls = await client.get(path, reader, "count", lane=lane, patience=_TRIES)
        except (RefusedError, CredentialsError, RetryableError):
            asked += 1  # at least
            return None
        asked += calls
        return found if found is not None and found >= 0 else None

    counted = await ask(f"/api/v2/search/count.json?query={quote(query, safe='')}", _SEARCH_COUNT)
    if counted is None:
        counted = await ask("/api/v2/tickets/count.json", _TICKET_COUNT)
    return Answer(counted, asked)
