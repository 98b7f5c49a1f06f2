"""All comments of a ticket, every page of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from schemas.errors import RefusedError
from schemas.zendesk import Comment, User
from schemas.zendesk_pages import COMMENTS_PAGE
from streams.limits import Lane
from streams.sources.zendesk.client import ZendeskClient
from streams.sources.zendesk.paging import next_page

_PAGE_SIZE: Final = 100
"""The most that Zendesk gives."""


@dataclass(slots=True)
class Comments:
    """A ticket's comments as they came, the people who wrote them, and the calls it took."""

    comments: list[Comment]
    users: list[User]
    calls: int


async def fetch_comments(client: ZendeskClient, ticket_id: int, lane: Lane) -> Comments:
    """Return all comments of a ticket: 100 a page, with their authors.

    Raises RefusedError with status 404 when the ticket is no longer there, and with 200 when its pages lead
    nowhere, DecodeError for a comment that is none, and what ZendeskClient.get raises.
    Source: Zendesk's API reference, "Ticket Comments" and "Pagination".
    """
    first = f"/api/v2/tickets/{ticket_id}/comments.json?page%5Bsize%5D={_PAGE_SIZE}&include=users"
    found = Comments([], [], 0)
    path: str | None = first
    cursor = None
    while path is not None:
        page, calls = await client.get(path, COMMENTS_PAGE, "comments", lane=lane)
        found.comments += page.comments
        found.users += page.users
        found.calls += calls
        try:
            path = next_page(first, page.paging, cursor, len(page.comments), _PAGE_SIZE)
        except LookupError as error:
            raise RefusedError(f"Zendesk's comments of ticket {ticket_id} {error}", 200) from None
        cursor = page.paging.after_cursor
    return found
