"""All comments of a ticket, every page of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from schemas.errors import RefusedError
from schemas.lanes import Lane
from schemas.zendesk import Comment, User
from schemas.zendesk_pages import COMMENTS_PAGE
from streams.sources.zendesk.client import ZendeskClient
from streams.sources.zendesk.paging import next_page
from streams.sources.zendesk.responses import AnswerTooLargeError

_MOST: Final = 100
"""Comments a page: what Zendesk allows."""


@dataclass(slots=True)
class Comments:
    """Comments of a ticket as they came, the people who wrote them, and the calls it took."""

    comments: list[Comment]
    users: list[User]
    calls: int


async def comment_pages(client: ZendeskClient, ticket_id: int, lane: Lane) -> AsyncIterator[Comments]:
    """Yield a ticket's comments page by page, with their authors: 100 a page, or fewer of very large ones.

    Raises RefusedError with status 404 when the ticket is no longer there, and with 200 when its pages lead
    nowhere, DecodeError for a comment that is none, and what ZendeskClient.get raises.
    Source: Zendesk's API reference, "Ticket Comments" and "Pagination".
    """
    size, cursor, before = _MOST, None, 0
    while True:
        first = f"/api/v2/tickets/{ticket_id}/comments.json?page%5Bsize%5D={size}&include=users"
        path = first if cursor is None else f"{first}&page%5Bafter%5D={quote(cursor, safe='')}"
        try:
            page, calls = await client.get(path, COMMENTS_PAGE, "comments", lane=lane)
        except AnswerTooLargeError:
            if size == 1:
                raise
            size, before = size // 2, before + 1
            continue
        yield Comments(page.comments, page.users, before + calls)
        before = 0
        try:
            goes_on = next_page(first, page.paging, cursor, len(page.comments), size) is not None
        except LookupError as error:
            raise RefusedError(f"Zendesk's comments of ticket {ticket_id} {error}", 200) from None
        if not goes_on:
            return
        cursor = page.paging.after_cursor


async def fetch_comments(client: ZendeskClient, ticket_id: int, lane: Lane) -> Comments:
    """Return all comments of a ticket together; raises what ``comment_pages`` raises."""
    found = Comments([], [], 0)
    async for page in comment_pages(client, ticket_id, lane):
        found.comments += page.comments
        found.users += page.users
        found.calls += page.calls
    return found
