"""The incremental export of changed tickets, by cursor; the one source that misses nothing."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

import msgspec

from schemas.errors import DecodeError, quoting
from schemas.messages import Source, TicketChange
from schemas.zendesk import RawExportPage, Ticket
from streams.limits import Lane
from streams.sources.zendesk.answers import AnswerTooLargeError
from streams.sources.zendesk.client import UNREADABLE, ZendeskClient

LARGEST_PAGE: Final = 1000
_PATH: Final = "/api/v2/incremental/tickets/cursor.json"
_NOT_EXPORTED_SECONDS: Final = 61
"""The export refuses a start within the last minute."""

_PAGE: Final = msgspec.json.Decoder(RawExportPage)
_TICKET: Final = msgspec.json.Decoder(Ticket)


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
    tickets. Raises what ZendeskClient.get raises. Source: Zendesk's API reference, "Incremental Exports".
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
            answer = await client.get(path, _PAGE, "export", lane=lane)
        except AnswerTooLargeError:
            if per_page <= 1:
                raise
            per_page //= 2
        else:
            return answer.value


def change_from_row(
    row: msgspec.Raw | bytes, *, account: str, source: Source, import_id: str = ""
) -> TicketChange:
    """Return the change that a row of the export, a view or ``show_many`` tells of.

    Raises DecodeError for a row that is no ticket.
    """
    try:
        ticket = _TICKET.decode(row)
    except UNREADABLE as error:
        raise quoting(DecodeError(f"not a ticket of Zendesk: {error}"), str(error)) from error
    return change_of(ticket, account=account, source=source, import_id=import_id)


def change_of(ticket: Ticket, *, account: str, source: Source, import_id: str = "") -> TicketChange:
    """Return the change that a ticket tells of; raises DecodeError when its id or times make no sense.

    System changes move ``generated_timestamp`` alone, so it is the version where there is one.
    """
    if not 0 < ticket.id < 2**63:
        raise DecodeError(f"not a ticket's id: {ticket.id}")
    changed_at = epoch(ticket.updated_at)
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


def epoch(text: str) -> float:
    """Return the Unix seconds of an ISO 8601 time, UTC where it names no zone; raises DecodeError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise DecodeError(f"not a time: {text[:40]!r}") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
