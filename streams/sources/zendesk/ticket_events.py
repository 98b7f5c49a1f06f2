"""The incremental export of ticket events: the comments of all tickets, in the order of time."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec

from schemas.errors import DecodeError
from schemas.lanes import Lane
from schemas.outside import NOTHING, UNREADABLE, Lenient, id_of, rows_in
from schemas.zendesk import Comment
from schemas.zendesk_pages import EVENTS_PAGE
from schemas.zendesk_rows import Rows, comment_of, time_of
from streams.sources.zendesk.client import ZendeskClient

EVENTS_A_PAGE: Final = 1000
_PATH: Final = "/api/v2/incremental/ticket_events.json"
_NOT_EXPORTED_SECONDS: Final = 61
"""The export refuses a start within the last minute."""
_PATIENCE: Final = 12
_COMMENT: Final = "comment"
_TOUCHES_COMMENTS: Final = (
    "comment",
    "redact",
    "privacy",
    "transcript",
    "recovery",
    "tweet",
    "facebook",
    "chat",
)
"""Words in the kinds of events that add a comment of another kind, or change one."""


class TicketEvent(NamedTuple):
    """One update of a ticket, with what it changed, undecoded."""

    ticket_id: int
    created_at: str
    child_events: Rows


class _Event(msgspec.Struct):
    ticket_id: Any = None
    created_at: Any = None
    child_events: msgspec.Raw = NOTHING


class _Child(msgspec.Struct):
    """What an update changed; the kind is ``event_type`` in the export, ``type`` in audits."""

    event_type: Any = None
    type: Any = None
    comment_id: Any = None
    public: Any = None


def _event(told: _Event) -> TicketEvent:
    ticket_id = id_of(told.ticket_id)
    if ticket_id is None:
        raise DecodeError("the event names no ticket")
    return TicketEvent(ticket_id, time_of(told.created_at), rows_in(told.child_events))


_EVENT: Final = Lenient(_Event, _event)
_CHILD: Final = Lenient(_Child, lambda child: child)


@dataclass(slots=True)
class Told:
    """What events told of a ticket's comments; ``doubtful``: that is not how they are now."""

    comments: list[Comment] = field(default_factory=list)
    doubtful: bool = False


class EventsPage(NamedTuple):
    """A page of events: what they told by ticket, and where the next page starts (Unix seconds).

    All events from before ``next_start`` have been told then. ``unreadable`` counts those that name no
    ticket.
    """

    told: dict[int, Told]
    events: int
    unreadable: int
    next_start: int
    ended: bool
    calls: int

    @property
    def to_a_comment(self) -> float:
        """How many events there are to a comment."""
        return self.events / max(1, sum(len(told.comments) for told in self.told.values()))

    @property
    def doubtful(self) -> float:
        """The share of the tickets told of whose comments cannot be believed."""
        return sum(told.doubtful for told in self.told.values()) / max(1, len(self.told))


async def events_page(client: ZendeskClient, start: int, *, lane: Lane = "backfill") -> EventsPage:
    """Return a page of events from second ``start`` on; pages repeat the events of the second between them.

    ``end_time`` is the second of a page's newest event and the start of the next page. A page that names no
    later one would come for ever: the next then starts a second later, and tickets whose comments that
    loses are known by their number. Comments can be had without events: what fails for over a minute is
    refused. Raises what ZendeskClient.get raises. Sources: Zendesk's API reference,
    "Incremental Ticket Event Export"; its guide "Using the Incremental Exports API".
    """
    start = max(0, min(start, int(time.time()) - _NOT_EXPORTED_SECONDS))
    path = f"{_PATH}?start_time={start}&include=comment_events"
    page, calls = await client.get(path, EVENTS_PAGE, "events", lane=lane, patience=_PATIENCE)
    told, unreadable = _told(page.ticket_events)
    following = start if page.end_time is None else page.end_time
    if following <= start and not page.end_of_stream:
        following = start + 1
    return EventsPage(
        told, len(page.ticket_events), unreadable, max(start, following), page.end_of_stream, calls
    )


def _told(rows: Rows) -> tuple[dict[int, Told], int]:
    """Return what events tell, by ticket, and how many of them name no ticket."""
    found: dict[int, Told] = {}
    unreadable = 0
    for row in rows:
        try:
            event = _EVENT.decode(row)
        except (DecodeError, *UNREADABLE):
            unreadable += 1
            continue
        for raw in event.child_events:
            take_in(raw, event, found)
    return found, unreadable


def take_in(raw: msgspec.Raw, event: TicketEvent, found: dict[int, Told]) -> None:
    """Add what one change of an update tells of its ticket's comments.

    Only a plain comment with its text is believed. Voice and social-media comments, redactions, changes of
    privacy, whatever names a comment, and what cannot be read, or does not say whether it is public, make the
    ticket doubtful. Source: Zendesk's "Ticket Audit events reference".
    """
    try:
        child = _CHILD.decode(raw)
        kinds = {kind.lower() for kind in (child.event_type, child.type) if isinstance(kind, str) and kind}
        if kinds != {_COMMENT}:
            touches = any(word in kind for kind in kinds for word in _TOUCHES_COMMENTS)
            if touches or not kinds or child.comment_id is not None:
                found.setdefault(event.ticket_id, Told()).doubtful = True
            return
        comment = comment_of(raw)
    except (DecodeError, *UNREADABLE):
        found.setdefault(event.ticket_id, Told()).doubtful = True
        return
    told = found.setdefault(event.ticket_id, Told())
    no_text = (comment.body, comment.html_body, comment.plain_body) == (None, None, None)
    if no_text or not comment.id or not isinstance(child.public, bool):
        told.doubtful = True
    comment.created_at = comment.created_at or event.created_at
    told.comments.append(comment)
