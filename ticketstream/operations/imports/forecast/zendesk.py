"""Forecasts an import from Zendesk: a few export pages, a count, and the comments of some tickets."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from schemas.errors import DecodeError, RefusedError
from schemas.messages.tickets import Origin, TicketChange
from schemas.zendesk_rows import comment_count_in
from streams.embeddings.provider import EmbeddingProvider
from streams.sources.zendesk.client import ZendeskClient
from streams.sources.zendesk.comment_ways import COMMENTS_A_CALL, Size, Ways, ways_of
from streams.sources.zendesk.count import count_tickets
from streams.sources.zendesk.export import LARGEST_PAGE, change_from_row, export_page
from streams.sources.zendesk.people import People
from streams.sources.zendesk.reader import TicketReader
from streams.sources.zendesk.ticket_events import events_page
from streams.transforms.whole_ticket import enriched_ticket, is_removed
from ticketstream.operations.imports.forecast.figures import Measured
from ticketstream.operations.imports.forecast.parts import Parts, parts_of
from ticketstream.operations.imports.forecast.sampling import choose, margin_of, total_of
from ticketstream.operations.progress import ProgressHook

SAMPLE: Final = 150
"""Tickets whose comments are read."""
_PAGES: Final = 4
"""Export pages that are read: all of a small import, of a large one some from all of its time."""
_IDS_A_CALL: Final = 100
_AT_ONCE: Final = 10
_COMMENT_COUNT: Final = "comment_count"
"""Sideload with the number of a ticket's comments. Source: Zendesk's documentation, "Side-loading"."""


@dataclass(slots=True)
class _Row:
    change: TicketChange
    comments: int | None
    """How many, where Zendesk tells."""

    @property
    def removed(self) -> bool:
        return is_removed(self.change.ticket)

    @property
    def looks(self) -> float:
        """How much text the ticket seems to have, in characters."""
        first = len(self.change.ticket.description or "") + 100
        return first * max(1, self.comments or 0)


@dataclass(slots=True)
class _Rows:
    """Export rows seen, each ticket once."""

    tickets: dict[int, _Row] = field(default_factory=dict)
    unreadable: int = 0

    def add(self, rows: Sequence[msgspec.Raw]) -> int:
        """Take in rows; returns the newest second among them (0: none)."""
        newest = 0
        for raw in rows:
            try:
                change = change_from_row(raw, account="forecast", source="import")
            except DecodeError:
                self.unreadable += 1
                continue
            self.tickets[change.ticket_id] = _Row(change, comment_count_in(raw))
            newest = max(newest, change.version)
        return newest


@dataclass(slots=True)
class _Read:
    """What the comments of a ticket came to."""

    parts: Parts
    calls: int
    people: set[int] = field(default_factory=set)
    """Those who did not come along with the comments."""
    strangers: set[int] = field(default_factory=set)
    """Authors who do not come along with the ticket."""


async def measure_account(
    client: ZendeskClient,
    provider: EmbeddingProvider,
    *,
    since: int,
    progress: ProgressHook,
    sample: int = SAMPLE,
) -> Measured:
    """Return what an import of all that changed since (Unix seconds) holds; an estimate as a rule.

    Takes at most 4 export pages, a page of ticket events, two counts, and the comments of ``sample``
    tickets, under the account's quotas. Raises what ZendeskClient.get raises.
    """
    rows = _Rows()
    total, pages, whole = await _rows(client, rows, since, progress)
    seen = list(rows.tickets.values())
    kept_share = sum(not row.removed for row in seen) / max(1, len(seen))
    kept = round(total * kept_share)
    standing = [row for row in seen if not row.removed]
    chosen = choose(standing, lambda row: row.looks, sample)
    read = await _read(client, provider, [*chosen.largest, *chosen.some], progress)
    largest, some = read[: len(chosen.largest)], read[len(chosen.largest) :]
    times = kept / len(standing) if standing else 0.0

    def everywhere(value: Callable[[_Read], float]) -> int:
        return round(total_of([value(r) for r in largest], [value(r) for r in some], chosen.others) * times)

    if all(row.comments is not None for row in standing):
        calls = sum(max(1, math.ceil((row.comments or 0) / COMMENTS_A_CALL)) for row in standing)
        comment_calls = round(calls * times)
    else:
        comment_calls = everywhere(lambda r: r.calls)
    tickets = [row.change.ticket for row in standing]
    ids: tuple[set[int | None], ...] = (
        {ticket.organization_id for ticket in tickets},
        {person for one in read for person in one.people},
    )
    lookups = sum(math.ceil(len(each - {None}) / _IDS_A_CALL) for each in ids)
    strangers = {person for one in read for person in one.strangers}
    ways = await _ways(client, seen, total, since, progress)
    return Measured(
        tickets=total,
        removed=total - kept,
        unreadable=rows.unreadable,
        chunks=everywhere(lambda r: r.parts.chunks),
        texts=everywhere(lambda r: r.parts.texts),
        tokens=everywhere(lambda r: r.parts.tokens),
        exact=whole and not chosen.others,
        sample=chosen.count,
        counted=whole,
        margin=margin_of(
            [r.parts.tokens for r in largest], [r.parts.tokens for r in some], chosen.others, kept
        ),
        export_calls=pages,
        comment_calls=comment_calls,
        people_calls=lookups + any(ticket.group_id is not None for ticket in tickets),
        ways=None if ways is None else replace(ways, export_pages=pages, single_calls=comment_calls),
        bulk_people_calls=math.ceil(len(strangers) / _IDS_A_CALL),
    )


async def _ways(
    client: ZendeskClient, seen: Sequence[_Row], total: int, since: int, progress: ProgressHook
) -> Ways | None:
    """Compare the ways of reading comments; None where Zendesk refuses the ticket events."""
    progress("looking at the ticket events", "")
    try:
        events = await events_page(client, since)
    except RefusedError:
        return None
    return ways_of(
        [Size.of(row.change.ticket, row.comments) for row in seen],
        total,
        since=since,
        events_a_comment=events.to_a_comment,
        doubtful=events.doubtful,
    )


async def _rows(
    client: ZendeskClient, rows: _Rows, since: int, progress: ProgressHook
) -> tuple[int, int, bool]:
    """Read rows; returns how many tickets and pages the import has, and whether these are all its rows."""
    cursor, ended, pages, newest = "", False, 0, since
    counted: int | None = None
    while not ended and pages < _PAGES:
        progress("reading the export", f"page {pages + 1}")
        page = await export_page(
            client,
            start_time=None if cursor else since,
            cursor=cursor or None,
            include=_COMMENT_COUNT,
            lane="backfill",
        )
        newest = max(newest, rows.add(page.tickets))
        cursor, ended, pages = page.after_cursor or "", page.end_of_stream, pages + 1
        if pages == 1 and not ended:
            progress("counting the tickets", "")
            counted = (await count_tickets(client, since)).value
            if counted is None or counted > _PAGES * LARGEST_PAGE * 0.9:
                break
    if ended:
        return len(rows.tickets), pages, True
    read, span, later = len(rows.tickets), max(0, int(time.time()) - newest), _PAGES - pages
    rates = []
    for number in range(1, later + 1):
        progress("reading the export", f"later rows, {number} of {later}")
        begun = newest + span * number // (later + 1)
        page = await export_page(
            client, start_time=begun, cursor=None, include=_COMMENT_COUNT, lane="backfill"
        )
        rates.append(len(page.tickets) / max(1, (rows.add(page.tickets) or begun) - begun))
    if counted is None:  # by how close together the rows lie that were read
        total = read + round(span * sum(rates) / max(1, len(rates)))
    else:
        # The count leaves out what is deleted, the export does not.
        deleted = sum(row.change.ticket.status == "deleted" for row in rows.tickets.values())
        total = round(counted / max(0.01, 1 - deleted / max(1, len(rows.tickets))))
    total = max(len(rows.tickets), total)
    return total, max(pages + 1, math.ceil(total / LARGEST_PAGE)), False


async def _read(
    client: ZendeskClient, provider: EmbeddingProvider, chosen: Sequence[_Row], progress: ProgressHook
) -> list[_Read]:
    """Read the comments and names of tickets as enrich does, and cut them as embed does."""
    reader = TicketReader(client, People(client))
    places = asyncio.Semaphore(_AT_ONCE)
    done = 0

    async def one(change: TicketChange) -> _Read:
        nonlocal done
        async with places:
            try:
                found = await reader.comments(change.ticket_id, "backfill")
            except RefusedError as error:
                if error.status not in (403, 404):
                    raise
                return _Read(Parts(), 1)  # deleted since the export wrote its row, or a dead letter
            ticket = change.ticket
            people = {i for i in (ticket.requester_id, ticket.assignee_id) if i is not None}
            names, _ = await reader.names(change, found.comments, "backfill")
            whole = enriched_ticket(change, found.comments, names, origin=Origin("", 0, 0), now=0.0)
            known = {user.id for user in found.users}
            authors = {comment.author_id for comment in found.comments if comment.author_id is not None}
            done += 1
            progress("reading comments", f"{done} of {len(chosen)}")
            return _Read(
                parts_of(whole, provider.count_tokens),
                found.calls,
                people - known,
                authors - people - {ticket.submitter_id},
            )

    tasks = [asyncio.create_task(one(row.change)) for row in chosen]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
