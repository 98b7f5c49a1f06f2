"""The account's tickets as its export tells them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from schemas.errors import DecodeError, RefusedError
from schemas.messages.tickets import TicketChange
from schemas.zendesk_rows import id_in
from streams.sources.zendesk.client import ZendeskClient
from streams.sources.zendesk.export import change_from_row, export_page
from streams.sources.zendesk.rows import MOST_TICKETS, fetch_rows
from streams.transforms.whole_ticket import is_removed
from streams.weaviate.gather_all import slices
from ticketstream.operations.progress import CountHook
from ticketstream.operations.reconcile.states import AccountStates, AccountTable, Presence, Statuses

_GONE: Final = 404


class AccountReader:
    """Reads the export from ``since`` (Unix seconds) on: one call for 1,000 tickets.

    What is read later goes on where the last read ended, so a second look costs one call. Raises what
    ZendeskClient.get raises.
    """

    def __init__(self, client: ZendeskClient, account: str, statuses: Statuses, *, since: int) -> None:
        self._client = client
        self._account = account
        self._statuses = statuses
        self._since = since
        self._cursor: str | None = None
        self._states = AccountStates()

    async def read(self, counted: CountHook = lambda _: None) -> AccountTable:
        """Read to the end of the export; returns all that is known by now. ``counted`` hears the rows."""
        while True:
            page = await export_page(
                self._client,
                start_time=None if self._cursor else self._since,
                cursor=self._cursor,
                lane="backfill",
            )
            for row in page.tickets:
                self._add(row)
            self._cursor = page.after_cursor
            counted(len(self._states))
            if page.end_of_stream:
                return self._states.newest()

    async def ask(self, ticket_ids: Sequence[int]) -> AccountTable:
        """Ask for tickets by id that the export has not named; returns all that is known by now.

        A ticket that changed within the last minute has left its place in the export, and its new one is
        not shown yet: only asking tells it from one that never was. Of one that is refused nothing is said.
        """
        left = [list(part) for part in slices(ticket_ids, MOST_TICKETS)]
        while left:
            part = left.pop()
            try:
                rows = await fetch_rows(self._client, part)
            except RefusedError as error:
                if len(part) > 1:  # one of them may be to blame
                    left += [part[len(part) // 2 :], part[: len(part) // 2]]
                elif error.status != _GONE:  # it may be there: nothing is said about it
                    self._states.add(part[0], 0, 0, 0, Presence.UNREADABLE)
                continue
            for row in rows:
                self._add(row)
        return self._states.newest()

    def newest(self) -> AccountTable:
        """Return all that is known by now."""
        return self._states.newest()

    def gone(self, ticket_id: int, version: int) -> None:
        """Note that a ticket is no longer there, which the export does not say yet."""
        self._states.add(ticket_id, version, 0, 0, Presence.DELETED)

    def _add(self, row: msgspec.Raw) -> None:
        try:
            change = change_from_row(row, account=self._account, source="import")
        except DecodeError:
            if (ticket_id := id_in(row)) is not None:
                self._states.add(ticket_id, 0, 0, 0, Presence.UNREADABLE)
            return
        self._states.add(
            change.ticket_id,
            change.version,
            int(change.changed_at),
            self._statuses.number(change.ticket.status),
            presence_of(change),
        )


def presence_of(change: TicketChange) -> Presence:
    """Return what a row says of its ticket."""
    return Presence.DELETED if is_removed(change.ticket) else Presence.PRESENT
