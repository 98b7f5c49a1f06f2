"""Forecasts an import from Zendesk: a few export pages, a count, and the comments of some tickets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

import msgspec

from schemas.errors import DecodeError, RefusedError
from schemas.messages import Origin, TicketChange
from streams.embeddings.provider import EmbeddingProvider
from streams.sources.zendesk.client import ZendeskClient
from streams.sources.zendesk.export import LARGEST_PAGE, change_from_row, export_page
from streams.sources.zendesk.people import People
from streams.sources.zendesk.reader import TicketReader
from streams.transforms.enrich import enriched_ticket, is_removed
from ticketstream.forecast.figures import Measured, margin_of
from ticketstream.forecast.parts import Parts, parts_of

WALKED_PAGES: Final = 3
"""An import of up to so many export pages is counted ticket by ticket."""
SAMPLE: Final = 150
"""Tickets whose comments are read."""
_SPREAD_PAGES: Final = 3
_SPREAD_ROWS: Final = 100
_IDS_A_CALL: Final = 100
_AT_ONCE: Final = 10

Report = Callable[[str, str], None]
"""Told what goes on, as (step, detail)."""


class _Count(msgspec.Struct):
    value: int


class _TicketCount(msgspec.Struct):
    count: _Count


class _SearchCount(msgspec.Struct):
    count: int


_TICKET_COUNT: Final = msgspec.json.Decoder(_TicketCount)
_SEARCH_COUNT: Final = msgspec.json.Decoder(_SearchCount)


@dataclass(slots=True)
class _Rows:
    """Export rows seen, each ticket once, in the order of the export."""

    changes: dict[int, TicketChange] = field(default_factory=dict)
    unreadable: int = 0

    def add(self, rows: Sequence[msgspec.Raw]) -> int:
        """Take in rows; returns the newest second among them (0: none)."""
        newest = 0
        for row in rows:
            try:
                change = change_from_row(row, account="forecast", source="import")
            except DecodeError:
                self.unreadable += 1
                continue
            self.changes.pop(change.ticket_id, None)
            self.changes[change.ticket_id] = change
            newest = max(newest, change.version)
        return newest


@dataclass(slots=True)
class _Sample:
    parts: list[Parts] = field(default_factory=list)
    comment_calls: int = 0
    people: set[int] = field(default_factory=set)
    gone: int = 0


async def measure_account(
    client: ZendeskClient, provider: EmbeddingProvider, *, since: int, report: Report, sample: int = SAMPLE
) -> Measured:
    """Return what an import of all that changed since (Unix seconds) holds; an estimate as a rule.

    Takes at most 7 export pages or counts and ``sample`` tickets' comments, under the account's quotas.
    Raises what ZendeskClient.get raises.
    """
    rows = _Rows()
    cursor, ended, pages, newest = "", False, 0, since
    while not ended and pages < WALKED_PAGES:
        report("reading the export", f"page {pages + 1}")
        page = await export_page(
            client, start_time=None if cursor else since, cursor=cursor or None, lane="backfill"
        )
        newest = max(newest, rows.add(page.tickets))
        cursor, ended, pages = page.after_cursor, page.end_of_stream, pages + 1
    strata = [list(rows.changes.values())]
    total = len(rows.changes)
    if not ended:
        report("counting the tickets", "")
        total = max(total, await _count(client, since))
        strata += await _later_rows(client, rows, newest, report)
        pages = max(pages + 1, -(-total // LARGEST_PAGE))
    seen = rows.changes.values()
    removed_share = sum(is_removed(change.ticket) for change in seen) / max(1, len(seen))
    chosen = _spread(strata, sample, total)
    taken = await _read(client, provider, chosen, report)
    return _extrapolated(rows, taken, total=total, removed_share=removed_share, pages=pages, ended=ended)


async def _count(client: ZendeskClient, since: int) -> int:
    """Return how many tickets there are, deleted ones left out.

    The search counts archived tickets too; the plain count, which does not, serves where it cannot be
    asked. Sources: Zendesk's API reference, "Search", "Show Results Count"; "Tickets", "Count Tickets".
    """
    query = "type:ticket"
    if since:
        query += f" updated>={datetime.fromtimestamp(since, UTC):%Y-%m-%dT%H:%M:%SZ}"
    try:
        answer = await client.get(
            f"/api/v2/search/count.json?query={quote(query, safe='')}",
            _SEARCH_COUNT,
            "count",
            lane="backfill",
        )
        return answer.value.count
    except RefusedError:
        plain = await client.get("/api/v2/tickets/count.json", _TICKET_COUNT, "count", lane="backfill")
        return plain.value.count.value


async def _later_rows(
    client: ZendeskClient, rows: _Rows, newest: int, report: Report
) -> list[list[TicketChange]]:
    """Return rows from later in the export, one list for each of some equal spans of time."""
    found = []
    span = max(0, int(time.time()) - newest)
    for number in range(1, _SPREAD_PAGES + 1):
        report("reading later rows of the export", f"{number} of {_SPREAD_PAGES}")
        before = set(rows.changes)
        page = await export_page(
            client,
            start_time=newest + span * number // (_SPREAD_PAGES + 1),
            cursor=None,
            per_page=_SPREAD_ROWS,
            lane="backfill",
        )
        rows.add(page.tickets)
        found.append([change for key, change in rows.changes.items() if key not in before])
    return found


def _spread(strata: Sequence[Sequence[TicketChange]], sample: int, total: int) -> list[TicketChange]:
    """Return about ``sample`` tickets that are not removed, evenly spread over each stratum.

    The first stratum is all of the beginning; the later ones share what the beginning leaves.
    """
    kept = [[change for change in stratum if not is_removed(change.ticket)] for stratum in strata]
    later = [stratum for stratum in kept[1:] if stratum]
    first = sample if not later else max(1, round(sample * min(1.0, len(strata[0]) / max(1, total))))
    chosen = _evenly(kept[0], first)
    for number, stratum in enumerate(later):
        left = sample - len(chosen)
        chosen += _evenly(stratum, left // (len(later) - number))
    return chosen


def _evenly(changes: Sequence[TicketChange], count: int) -> list[TicketChange]:
    if len(changes) <= count:
        return list(changes)
    return [changes[int((number + 0.5) * len(changes) / count)] for number in range(count)]


async def _read(
    client: ZendeskClient, provider: EmbeddingProvider, chosen: Sequence[TicketChange], report: Report
) -> _Sample:
    """Read the comments and names of tickets as enrich does, and cut them as embed does."""
    people = People(client)
    reader = TicketReader(client, people)
    taken = _Sample()
    places = asyncio.Semaphore(_AT_ONCE)
    done = 0

    async def one(change: TicketChange) -> None:
        nonlocal done
        async with places:
            try:
                found = await reader.comments(change.ticket_id, "backfill")
            except RefusedError as error:
                if error.status != 404:
                    raise
                taken.gone += 1
                taken.comment_calls += 1
                taken.parts.append(Parts())
                return
            named = {user.id for user in found.users}
            ticket = change.ticket
            taken.people |= {i for i in (ticket.requester_id, ticket.assignee_id) if i is not None} - named
            names, _ = await reader.names(change, found.comments, "backfill")
            whole = enriched_ticket(change, found.comments, names, origin=Origin("", 0, 0), now=0.0)
            taken.comment_calls += found.calls
            taken.parts.append(parts_of(whole, provider.count_tokens))
            done += 1
            report("reading comments", f"{done} of {len(chosen)}")

    tasks = [asyncio.create_task(one(change)) for change in chosen]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return taken


def _extrapolated(
    rows: _Rows, taken: _Sample, *, total: int, removed_share: float, pages: int, ended: bool
) -> Measured:
    sample = len(taken.parts)
    removed = round(total * removed_share)
    kept = total - removed
    times = kept / sample if sample else 0.0
    organizations = {c.ticket.organization_id for c in rows.changes.values()} - {None}
    groups = any(c.ticket.group_id is not None for c in rows.changes.values())
    lookups = -(-len(organizations) // _IDS_A_CALL) - (-len(taken.people) // _IDS_A_CALL) + groups
    return Measured(
        tickets=total,
        removed=removed,
        unreadable=rows.unreadable,
        chunks=round(sum(part.chunks for part in taken.parts) * times),
        texts=round(sum(part.texts for part in taken.parts) * times),
        tokens=round(sum(part.tokens for part in taken.parts) * times),
        exact=ended and sample == kept,
        sample=sample,
        margin=margin_of([part.tokens for part in taken.parts], kept),
        export_calls=pages,
        comment_calls=round(taken.comment_calls * times),
        people_calls=lookups,
    )
