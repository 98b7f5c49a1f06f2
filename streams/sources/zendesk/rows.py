"""Tickets by id, as they are now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from schemas.errors import RefusedError
from schemas.zendesk import Ticket
from streams.limits import Lane
from streams.sources.zendesk.client import ZendeskClient

MOST_TICKETS: Final = 100
"""Ids one call takes."""


class _Page(msgspec.Struct):
    tickets: list[Ticket]


class _One(msgspec.Struct):
    ticket: Ticket


_PAGE: Final = msgspec.json.Decoder(_Page)
_ONE: Final = msgspec.json.Decoder(_One)


async def fetch_tickets(
    client: ZendeskClient, ticket_ids: Sequence[int], lane: Lane = "backfill"
) -> list[Ticket]:
    """Return those of at most 100 tickets that are there; deleted ones and spam are left out.

    Rows have no ``generated_timestamp``. Raises what ZendeskClient.get raises. Source: Zendesk's API
    reference, "Tickets: Show Multiple Tickets".
    """
    if not 0 < len(ticket_ids) <= MOST_TICKETS:
        raise ValueError(f"1 to {MOST_TICKETS} tickets can be asked for at once, not {len(ticket_ids)}")
    ids = ",".join(str(one) for one in ticket_ids)
    page, _ = await client.get(f"/api/v2/tickets/show_many.json?ids={ids}", _PAGE, "tickets", lane=lane)
    return page.tickets


async def fetch_ticket(client: ZendeskClient, ticket_id: int, lane: Lane = "backfill") -> Ticket | None:
    """Return a ticket, None when it is gone; raises what ZendeskClient.get raises.

    Source: Zendesk's API reference, "Tickets: Show Ticket".
    """
    try:
        page, _ = await client.get(f"/api/v2/tickets/{ticket_id}.json", _ONE, "tickets", lane=lane)
    except RefusedError as error:
        if error.status == 404:
            return None
        raise
    return page.ticket
