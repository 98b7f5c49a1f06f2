"""All comments of a ticket, every page of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import msgspec

from schemas.errors import RefusedError
from schemas.zendesk import Comment, CommentsPage, User
from streams.limits import Lane
from streams.sources.zendesk.answers import AnswerTooLargeError
from streams.sources.zendesk.client import ZendeskClient

_MOST: Final = 100
"""Comments a page: what Zendesk allows."""
_PAGE: Final = msgspec.json.Decoder(CommentsPage)


@dataclass(slots=True)
class Comments:
    """Comments of a ticket as they came, the people who wrote them, and the calls it took."""

    comments: list[Comment]
    users: list[User]
    calls: int


async def comment_pages(client: ZendeskClient, ticket_id: int, lane: Lane) -> AsyncIterator[Comments]:
    """Yield a ticket's comments page by page, with their authors: 100 a page, or fewer of very large ones.

    Raises RefusedError with status 404 when the ticket is no longer there, and what ZendeskClient.get
    raises. Source: Zendesk's API reference, "Ticket Comments" and "Pagination".
    """
    size, cursor, before = _MOST, None, 0
    while True:
        path = f"/api/v2/tickets/{ticket_id}/comments.json?page%5Bsize%5D={size}&include=users"
        if cursor is not None:
            path += f"&page%5Bafter%5D={quote(cursor, safe='')}"
        try:
            page, calls = await client.get(path, _PAGE, "comments", lane=lane)
        except AnswerTooLargeError:
            if size == 1:
                raise
            size, before = size // 2, before + 1
            continue
        yield Comments(page.comments, page.users, before + calls)
        before = 0
        if not page.meta.has_more:
            return
        if page.meta.after_cursor in (None, cursor):
            raise RefusedError(f"Zendesk's comments of ticket {ticket_id} go on, but name no next page", 200)
        cursor = str(page.meta.after_cursor)


async def fetch_comments(client: ZendeskClient, ticket_id: int, lane: Lane) -> Comments:
    """Return all comments of a ticket together; raises what ``comment_pages`` raises."""
    found = Comments([], [], 0)
    async for page in comment_pages(client, ticket_id, lane):
        found.comments += page.comments
        found.users += page.users
        found.calls += page.calls
    return found
