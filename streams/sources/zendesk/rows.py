"""Many tickets by id in one call, as far as they are there."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from schemas.lanes import Lane
from schemas.zendesk_pages import TICKETS
from streams.sources.zendesk.client import ZendeskClient

MOST_TICKETS: Final = 100
"""Ids one call takes: ``show_many`` answers 400 beyond."""


def show_many(ticket_ids: Collection[int]) -> str:
    """Return the path that asks for these tickets; the answer is read by TICKETS."""
    return f"/api/v2/tickets/show_many.json?ids={','.join(map(str, ticket_ids))}"


async def fetch_rows(
    client: ZendeskClient, ticket_ids: Sequence[int], lane: Lane = "backfill"
) -> list[msgspec.Raw]:
    """Return the undecoded rows of those of at most 100 tickets that are listed.

    Deleted tickets and spam are not. That a ticket is not listed does not prove that it is gone: see
    streams.sources.zendesk.tickets. Raises what ZendeskClient.get raises. Source: Zendesk's API
    reference, "Tickets: Show Multiple Tickets".
    """
    if not 0 < len(ticket_ids) <= MOST_TICKETS:
        raise ValueError(f"1 to {MOST_TICKETS} tickets can be asked for at once, not {len(ticket_ids)}")
    rows, _ = await client.get(show_many(ticket_ids), TICKETS, "tickets", lane=lane)
    return rows
