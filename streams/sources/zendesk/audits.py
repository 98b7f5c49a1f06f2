"""What a ticket's audits say of its merge into another ticket."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import msgspec
import structlog
from cachetools import LRUCache

from schemas.errors import RefusedError
from schemas.lanes import Lane
from schemas.merges import target_of_via
from schemas.outside import UNREADABLE, Lenient
from schemas.zendesk import Ticket
from schemas.zendesk_pages import AUDITS_PAGE
from streams.sources.zendesk.client import ZendeskClient

_REMEMBERED: Final = 10_000


class _Audit(msgspec.Struct):
    """One update of a ticket: what is read of it is how it, and each event in it, came about."""

    via: Any = None
    events: Any = None


_AUDIT: Final = Lenient(_Audit, lambda audit: audit)


class Merges:
    """Asks a ticket's audits: a call for each hundred of them, up to the merge.

    What is found is remembered, as a merge cannot be undone: the export tells of it a minute after a webhook
    did. That nothing was found is not, since an answer may come from a copy of Zendesk's that lags.
    """

    def __init__(self, client: ZendeskClient) -> None:
        self._client = client
        self._found: LRUCache[tuple[int, str], int] = LRUCache(_REMEMBERED)

    def known(self, ticket: Ticket) -> int:
        """Return what was found of a ticket as it is, 0 for nothing."""
        return self._found.get((ticket.id, ticket.updated_at), 0)

    async def target(self, ticket: Ticket, lane: Lane) -> tuple[int, int]:
        """Return the ticket that a closed one was merged into (0: none), and the calls made.

        Audits that Zendesk does not show say nothing, and the log says so: an OAuth token needs the scope
        ``read`` for them, ``tickets:read`` is not enough. Raises what ZendeskClient.get raises, but for
        refusals of this one thing. Source: Zendesk's API reference, "Ticket Audits".
        """
        if known := self.known(ticket):
            return known, 0
        calls = 0
        first = f"/api/v2/tickets/{ticket.id}/audits.json?page%5Bsize%5D=100"
        path, cursor = first, None
        while True:
            try:
                page, made = await self._client.get(path, AUDITS_PAGE, "audits", lane=lane)
            except RefusedError as error:
                structlog.get_logger().warning(
                    "cannot tell whether the ticket was merged; it is indexed without the mark",
                    ticket_id=ticket.id,
                    error=error,
                )
                return 0, calls + 1
            calls += made
            target = _target(ticket.id, page.audits)
            if target:
                self._found[ticket.id, ticket.updated_at] = target
                return target, calls
            if not page.paging.has_more or page.paging.after_cursor in (None, cursor):
                return 0, calls
            cursor = page.paging.after_cursor
            path = f"{first}&page%5Bafter%5D={quote(str(cursor), safe='')}"


def _target(ticket_id: int, rows: list[msgspec.Raw]) -> int:
    """Return the ticket that audits, or events in them, say this one was merged into; 0 for none."""
    for row in rows:
        try:
            audit = _AUDIT.decode(row)
        except UNREADABLE:
            continue
        events = audit.events if isinstance(audit.events, list) else []
        for via in (audit.via, *(event.get("via") for event in events if isinstance(event, dict))):
            target = target_of_via(via)
            if target is not None and target != ticket_id:
                return target
    return 0
