"""The incremental export of changed tickets, by cursor; the one source that misses nothing."""

from __future__ import annotations

import time
from typing import Final
from urllib.parse import quote

import msgspec

from schemas.errors import DecodeError, RefusedError
from schemas.lanes import Lane
from schemas.messages.tickets import Source, TicketChange
from schemas.times import epoch
from schemas.zendesk import Ticket
from schemas.zendesk_pages import EXPORT_PAGE, RawExportPage
from schemas.zendesk_rows import ticket_of
from streams.sources.zendesk.client import ZendeskClient
from streams.sources.zendesk.responses import AnswerTooLargeError

LARGEST_PAGE: Final = 1000
_PATH: Final = "/api/v2/incremental/tickets/cursor.json"
_NOT_EXPORTED_SECONDS: Final = 61
"""The export refuses a start within the last minute."""
_LARGEST_TICKET_ID: Final = 2**53
"""Weaviate's batch protocol carries numbers as doubles, exact up to here."""


async def export_page(
    client: ZendeskClient,
    *,
    start_time: int | None,
    cursor: str | None,
    per_page: int = LARGEST_PAGE,
    include: str = "",
    lane: Lane = "live",
) -> RawExportPage:
    """Return a page of the export, after ``cursor``, or from ``start_time`` (Unix seconds) on.

    Exactly one of the two is given; ``include`` names what Zendesk is to add to the rows. A start
    within the last minute is moved back, as Zendesk refuses it. A page over the size limit is asked for
    again with half as many rows, as long as it has more than one. Rows are undecoded; pages can repeat
    tickets. A page that names no cursor leads on from where it began: it has ``cursor``, or none, and then
    the export is to be asked from ``start_time`` again. Raises RefusedError with status 200 for one that does
    not end the stream and leads nowhere, and what ZendeskClient.get raises. Source: Zendesk's API reference,
    "Incremental Exports".
    """
    if cursor:
        where = f"cursor={quote(cursor, safe='')}"
    elif start_time is not None:
        where = f"start_time={min(start_time, int(time.time()) - _NOT_EXPORTED_SECONDS)}"
    else:
        raise ValueError("an export starts at a cursor or at a time")
    while True:
        try:
            path = f"{_PATH}?{where}&per_page={per_page}{f'&include={include}' if include else ''}"
            page, _ = await client.get(path, EXPORT_PAGE, "export", lane=lane)
        except AnswerTooLargeError:
            if per_page <= 1:
                raise
            per_page //= 2
        else:
            break
    if page.after_cursor is None:
        if not page.end_of_stream:
            raise RefusedError("Zendesk's export goes on, but names no next page", 200)
        page.after_cursor = cursor
    return page


def change_from_row(
    row: msgspec.Raw | bytes, *, account: str, source: Source, import_id: str = ""
) -> TicketChange:
    """Return the change that a row of the export, a view or ``show_many`` tells of.

    Raises DecodeError for a row that is no ticket, as ticket_of and change_of do.
    """
    return change_of(ticket_of(row), account=account, source=source, import_id=import_id)


def change_of(ticket: Ticket, *, account: str, source: Source, import_id: str = "") -> TicketChange:
    """Return the change that a ticket tells of.

    System changes move ``generated_timestamp`` alone, so it is the version where there is one. A ticket
    without any time has version 0: every other state of it is newer. Raises DecodeError for an id that the
    index cannot hold.
    """
    if not 0 < ticket.id <= _LARGEST_TICKET_ID:
        raise DecodeError(f"not a ticket's id: {ticket.id}")
    changed_at = epoch(ticket.updated_at) if ticket.updated_at else 0.0
    generated = ticket.generated_timestamp
    return TicketChange(
        account=account,
        ticket_id=ticket.id,
        version=int(changed_at) if generated is None else generated,
        changed_at=changed_at,
        source=source,
        ticket=ticket,
        import_id=import_id,
    )
