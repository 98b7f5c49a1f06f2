"""Zendesk's incremental export as a source."""

from __future__ import annotations

from typing import Final

from schemas.errors import DecodeError
from schemas.messages.tickets import Source as Origin
from schemas.messages.tickets import TicketChange
from schemas.settings.zendesk import ZendeskSettings
from schemas.zendesk_pages import RawExportPage
from schemas.zendesk_rows import comment_count_in
from streams.sources.base import Page, Unreadable
from streams.sources.zendesk.client import ZendeskClient
from streams.sources.zendesk.export import change_from_row, export_page
from streams.sources.zendesk.sideloads import Sideloads

NAME: Final = "zendesk:export"


class ZendeskExport:
    """The changed tickets of an account, live; see export_page for its pages and errors."""

    name = NAME

    def __init__(self, client: ZendeskClient, account: str) -> None:
        self._client = client
        self._account = account

    async def page(self, cursor: str, since: int) -> Page:
        """Return the page after ``cursor``, or the first one since a time (Unix seconds)."""
        raw = await export_page(
            self._client, start_time=None if cursor else since, cursor=cursor or None, lane="live"
        )
        return page_of(raw, account=self._account, source="live")


def page_of(
    raw: RawExportPage,
    *,
    account: str,
    source: Origin,
    import_id: str = "",
    sideloads: Sideloads | None = None,
) -> Page:
    """Return what a page of the export tells.

    ``sideloads`` are the names that came along, where the tickets' comments have been sent ahead of them.
    """
    items: list[TicketChange | Unreadable] = []
    for row in raw.tickets:
        try:
            change = change_from_row(row, account=account, source=source, import_id=import_id)
        except DecodeError as error:
            items.append(Unreadable(bytes(row), error))
            continue
        if sideloads is not None:
            sideloads.add_to(change, comment_count_in(row))
        items.append(change)
    return Page(items, raw.after_cursor or "", raw.end_of_stream)


def polling_pause(settings: ZendeskSettings) -> float:
    """Return the seconds between two looks at the export: so many that imports get half of it."""
    return max(settings.poll_seconds, 2 * 60 / settings.incremental_requests_per_minute)
