"""Lists with cursor paging: where the next page is."""

from __future__ import annotations

from urllib.parse import quote

from schemas.zendesk_pages import Paging


def next_page(first: str, paging: Paging, cursor: str | None, rows: int, most: int) -> str | None:
    """Return the path of the page that follows; None after the last one.

    ``first`` is the path of the first page (its query included), ``cursor`` the one that led to this page,
    which has ``rows`` of at most ``most`` rows. The last page names a next one too. Raises LookupError, with
    what is wrong, where the list goes on and names no next page, or may do so. Source: Zendesk's API
    reference, "Pagination".
    """
    following = paging.after_cursor
    goes_on = paging.has_more
    if goes_on is None:  # then a page without rows is the last one
        if following is None and rows >= most:
            raise LookupError("may go on: a full page does not say")
        goes_on = following is not None and rows > 0
    if not goes_on:
        return None
    if following is None or following == cursor:
        raise LookupError("go on, but name no next page")
    return f"{first}&page%5Bafter%5D={quote(following, safe='')}"
