"""All comments of a ticket, every page of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import msgspec

from schemas.errors import RefusedError
from schemas.zendesk import Comment, CommentsPage, User
from streams.limits import Lane
from streams.sources.zendesk.client import ZendeskClient

_PAGE: Final = msgspec.json.Decoder(CommentsPage)


@dataclass(slots=True)
class Comments:
    """A ticket's comments as they came, the people who wrote them, and the calls it took."""

    comments: list[Comment]
    users: list[User]
    calls: int


async def fetch_comments(client: ZendeskClient, ticket_id: int, lane: Lane) -> Comments:
    """Return all comments of a ticket: 100 a page, with their authors.

    Raises RefusedError with status 404 when the ticket is no longer there, and what ZendeskClient.get
    raises. Source: Zendesk's API reference, "Ticket Comments" and "Pagination".
    """
    first = f"/api/v2/tickets/{ticket_id}/comments.json?page%5Bsize%5D=100&include=users"
    found = Comments([], [], 0)
    path, cursor = first, None
    while True:
        page, calls = await client.get(path, _PAGE, "comments", lane=lane)
        found.comments += page.comments
        found.users += page.users
        found.calls += calls
        if not page.meta.has_more:
            return found
        if page.meta.after_cursor in (None, cursor):
            raise RefusedError(f"Zendesk's comments of ticket {ticket_id} go on, but name no next page", 200)
        cursor = page.meta.after_cursor
        path = f"{first}&page%5Bafter%5D={quote(str(cursor), safe='')}"
