"""``/api/v2/incremental/ticket_events.json``: what happened to tickets, in the order of time."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, Final

import numpy as np

from ticketstream.local.sample.zendesk.account import Account
from ticketstream.local.sample.zendesk.clock import iso
from ticketstream.local.sample.zendesk.events import Event
from ticketstream.local.sample.zendesk.people import Row
from ticketstream.local.sample.zendesk.shape import Ints
from ticketstream.local.sample.zendesk.tickets import audit_id, comment_id

PAGE: Final = 1_000
_NUMBER_BITS: Final = 10
_CHANGED_COMMENTS: Final = {
    "comment_redacted": "CommentRedactionEvent",
    "comment_made_private": "CommentPrivacyChange",
}
"""Source: Zendesk's "Ticket Audit events reference"."""


class History:
    """The comments of the generated account and the events since the start.

    A page ends with the last event of a second, so it can hold a few more than ``PAGE``, and the next one
    begins with that second: it repeats its events. Tickets that are gone have no events. A comment is shown
    as it was written: that it was redacted or made private later is told by an event of its own.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self._times: Ints | None = None
        self._codes: Ints | None = None
        self._live: list[Event] = []

    def tell(self, event: Event) -> None:
        """Note an event."""
        self._live.append(event)

    def page(self, start: int, horizon: int, with_comments: bool) -> tuple[list[Row], int, bool]:
        """Return the events from second ``start`` on, the second of the last one, and if it is the end."""
        times, codes = self._index()
        low = int(np.searchsorted(times, start, side="left"))
        high = int(np.searchsorted(times, horizon, side="left"))
        stop = min(high, low + PAGE)
        if low < stop:
            stop = min(high, int(np.searchsorted(times, times[stop - 1], side="right")))
        cache: dict[int, list[Row]] = {}
        found = []
        for time, code in zip(times[low:stop].tolist(), codes[low:stop].tolist(), strict=True):
            ticket_id, number = code >> _NUMBER_BITS, code & (1 << _NUMBER_BITS) - 1
            if self._account.present(ticket_id):
                if ticket_id not in cache:
                    cache[ticket_id] = self._account.written(ticket_id)
                found.append(_said(time, ticket_id, cache[ticket_id][number], with_comments))
        end = int(times[stop - 1]) if low < stop else start
        if stop < high:
            return found, end, False

        first = bisect_left(self._live, start, key=lambda event: event.at)
        last = bisect_left(self._live, horizon, key=lambda event: event.at)
        until = min(last, first + max(0, PAGE - (stop - low)))
        while first < until < last and self._live[until].at == self._live[until - 1].at:
            until += 1
        for event in self._live[first:until]:
            end = event.at
            if self._account.present(event.row["id"]):
                found.extend(self._told(event, with_comments))
        return found, end, until >= last

    def _index(self) -> tuple[Ints, Ints]:
        """Every generated comment's second, and its ticket and number; made when first asked for."""
        if self._times is None or self._codes is None:
            shape = self._account.shape
            count = shape.comments
            index = np.repeat(np.arange(shape.tickets), count)
            number = np.arange(index.size) - np.repeat(np.cumsum(count) - count, count)
            step = (shape.updated - shape.created) // np.maximum(count - 1, 1)
            times = shape.created[index] + number * step[index]
            order = np.lexsort((index, times))
            self._times = times[order]
            self._codes = ((index + 1) << _NUMBER_BITS | number)[order]
        return self._times, self._codes

    @staticmethod
    def _told(event: Event, with_comments: bool) -> list[Row]:
        ticket_id = event.row["id"]
        if event.said is not None:
            return [_said(event.at, ticket_id, event.said, with_comments)]
        number = audit_id(comment_id(ticket_id, 5_000)) + event.at % 4_000
        child: dict[str, Any] = {"id": number + 1, "via": "Web service", "via_reference_id": None}
        if event.name in _CHANGED_COMMENTS:
            child |= {"event_type": _CHANGED_COMMENTS[event.name]}
            child |= {"comment_id": int(event.change["comment"]["id"])}
            if event.name == "comment_made_private":
                child["public"] = False
        elif event.field is not None:
            name, new, old = event.field
            child |= {name: new, "previous_value": old, "event_type": "Change"}
        else:
            return []
        return [_audit(number, event.at, ticket_id, event.actor_id, child)]


def _said(time: int, ticket_id: int, comment: Row, with_body: bool) -> Row:
    child = {
        "id": comment["id"],
        "via": "Web service",
        "via_reference_id": None,
        "comment_present": True,
        "comment_public": comment["public"],
        "event_type": "Comment",
    }
    if with_body:
        kept = ("type", "author_id", "body", "html_body", "plain_body", "public", "attachments", "audit_id")
        child |= {name: comment[name] for name in kept} | {"created_at": iso(time), "via": comment["via"]}
    return _audit(comment["audit_id"], time, ticket_id, comment["author_id"], child)


def _audit(audit: int, time: int, ticket_id: int, updater: int, child: dict[str, Any]) -> Row:
    return {
        "id": audit,
        "ticket_id": ticket_id,
        "timestamp": time,
        "created_at": iso(time),
        "updater_id": updater,
        "via": "Web service",
        "system": {"client": "Mozilla/5.0", "location": "Dublin, Ireland"},
        "metadata": {},
        "event_type": "Audit",
        "child_events": [child],
    }
