"""What enriching a ticket asks of Zendesk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

from schemas.lanes import Lane
from schemas.messages.tickets import TicketChange
from schemas.zendesk import Comment, Ticket
from streams.sources.zendesk.audits import Merges
from streams.sources.zendesk.client import ZendeskClient
from streams.sources.zendesk.comments import Comments, comment_pages, fetch_comments
from streams.sources.zendesk.people import People
from streams.sources.zendesk.tickets import Row, TicketRows
from streams.transforms.names import Names
from streams.transforms.whole_ticket import people_of


class TicketReader:
    """Rows, comments and names of tickets; whoever comes along with comments is not looked up again."""

    def __init__(self, client: ZendeskClient, people: People) -> None:
        self._client = client
        self._people = people
        self._rows = TicketRows(client)
        self._merges = Merges(client)

    async def row(self, ticket_id: int, lane: Lane, sending: Callable[[], None]) -> Row:
        """Return a ticket's row as it is now; see TicketRows."""
        return await self._rows.row(ticket_id, lane, sending)

    async def comments(self, ticket_id: int, lane: Lane) -> Comments:
        """Return all comments of a ticket; raises RefusedError with status 404 when it is gone."""
        found = await fetch_comments(self._client, ticket_id, lane)
        self._people.remember(found.users)
        return found

    async def merge_target(self, ticket: Ticket, lane: Lane) -> tuple[int, int]:
        """Return the ticket that a closed one was merged into (0: none), and the calls made; see Merges."""
        return await self._merges.target(ticket, lane)

    def known_target(self, ticket: Ticket) -> int:
        """Return what was found out of it in this state (0: nothing), without a call."""
        return self._merges.known(ticket)

    async def comment_pages(self, ticket_id: int, lane: Lane) -> AsyncIterator[Comments]:
        """Yield all comments of a ticket, page by page; raises what ``comments`` raises."""
        async for page in comment_pages(self._client, ticket_id, lane):
            self._people.remember(page.users)
            yield page

    async def names(self, change: TicketChange, comments: Sequence[Comment], lane: Lane) -> tuple[Names, int]:
        """Return the names of the people, organisation and group of a ticket, and the calls made."""
        # What a file says is good for its own tickets, and for no others.
        told = {user.id: user.name for user in change.users or () if user.name}
        ticket = change.ticket
        names, calls = await self._people.names(
            users=people_of(ticket, comments) - told.keys(),
            organizations=_one(ticket.organization_id if not change.organization else None),
            groups=_one(ticket.group_id if not change.group else None),
            lane=lane,
        )
        return (replace(names, users={**names.users, **told}) if told else names), calls


def _one(item: int | None) -> tuple[int, ...]:
    return () if item is None else (item,)
