"""Zendesk's answers around their rows: any field may be null, missing or of a wrong type.

The list that an answer is made of may be null, and is empty then. Where it is missing, or no list, this is
another answer than the one that was asked for: nobody knows what it leaves out.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs, urlsplit

import msgspec

from schemas.outside import NOTHING, Lenient, field_of, number_of, rows_in, text_of
from schemas.zendesk import Comment, Named, User
from schemas.zendesk_rows import Rows, comments_of, named_of, users_of


class RawExportPage(msgspec.Struct):
    """A page of ``/api/v2/incremental/tickets/cursor.json``, its rows undecoded.

    ``after_cursor`` is None where Zendesk names none: it does so for an account without tickets.
    """

    tickets: Rows
    after_cursor: str | None
    end_of_stream: bool
    users: Rows = []
    """This and the next ones are there when they are asked for (``include``)."""
    organizations: Rows = []
    groups: Rows = []


class RawEventsPage(NamedTuple):
    """A page of ``/api/v2/incremental/ticket_events.json``, its events undecoded.

    ``end_time`` is the second of the newest event (Unix); None where Zendesk names none.
    """

    ticket_events: Rows
    end_of_stream: bool
    end_time: int | None


class Paging(NamedTuple):
    """Whether a list with cursor paging goes on, and where; None: it does not say."""

    has_more: bool | None
    after_cursor: str | None


class CommentsPage(NamedTuple):
    """A page of ``/api/v2/tickets/{id}/comments.json?include=users``."""

    comments: list[Comment]
    users: list[User]
    paging: Paging


class AuditsPage(NamedTuple):
    """A page of ``/api/v2/tickets/{id}/audits.json``, its audits undecoded."""

    audits: Rows
    paging: Paging


class NamedPage(NamedTuple):
    """A page of ``/api/v2/groups.json``, or the answer of ``/api/v2/organizations/show_many.json``."""

    rows: list[Named]
    paging: Paging


class _ExportPage(msgspec.Struct):
    tickets: Rows | None
    after_cursor: Any = None
    end_of_stream: Any = None
    users: msgspec.Raw = NOTHING
    organizations: msgspec.Raw = NOTHING
    groups: msgspec.Raw = NOTHING


class _EventsPage(msgspec.Struct):
    ticket_events: Rows | None
    end_of_stream: Any = None
    end_time: Any = None


class _CommentsPage(msgspec.Struct):
    comments: Rows
    """No list is no answer: it would be taken for a ticket that nobody has written to."""
    users: msgspec.Raw = NOTHING
    meta: Any = None
    links: Any = None


class _AuditsPage(msgspec.Struct):
    audits: Rows | None
    meta: Any = None
    links: Any = None


class _Tickets(msgspec.Struct):
    tickets: Rows
    """No list is no answer: it would be taken for tickets that are deleted."""


class _OneTicket(msgspec.Struct):
    ticket: dict[str, msgspec.Raw]


class _Users(msgspec.Struct):
    users: Rows | None


class _Organizations(msgspec.Struct):
    organizations: Rows | None


class _Groups(msgspec.Struct):
    groups: Rows | None
    meta: Any = None
    links: Any = None


def _export_page(page: _ExportPage) -> RawExportPage:
    rows = page.tickets or []
    return RawExportPage(
        rows,
        text_of(page.after_cursor) or None,
        _is_last(page.end_of_stream, rows),
        rows_in(page.users),
        rows_in(page.organizations),
        rows_in(page.groups),
    )


def _is_last(said: object, rows: Rows) -> bool:
    """Without word of it, the stream ends with a page that has nothing."""
    return said if isinstance(said, bool) else not rows


def _paging(meta: object, links: object) -> Paging:
    more = field_of(meta, "has_more")
    cursor = text_of(field_of(meta, "after_cursor"))
    if not cursor:
        try:
            query = parse_qs(urlsplit(text_of(field_of(links, "next"))).query)
        except ValueError:  # no URL
            query = {}
        cursor = query.get("page[after]", [""])[0]
    return Paging(more if isinstance(more, bool) else None, cursor or None)


EXPORT_PAGE: Final = Lenient(_ExportPage, _export_page)
EVENTS_PAGE: Final = Lenient(
    _EventsPage,
    lambda page: RawEventsPage(
        page.ticket_events or [],
        _is_last(page.end_of_stream, page.ticket_events or []),
        number_of(page.end_time),
    ),
)
COMMENTS_PAGE: Final = Lenient(
    _CommentsPage,
    lambda page: CommentsPage(
        comments_of(page.comments), users_of(rows_in(page.users)), _paging(page.meta, page.links)
    ),
)
AUDITS_PAGE: Final = Lenient(
    _AuditsPage, lambda page: AuditsPage(page.audits or [], _paging(page.meta, page.links))
)
TICKETS: Final = Lenient(_Tickets, lambda answer: answer.tickets)
"""Of ``/api/v2/tickets/show_many.json``, the rows undecoded."""
ONE_TICKET: Final = Lenient(_OneTicket, lambda answer: msgspec.Raw(msgspec.json.encode(answer.ticket)))
"""Of ``/api/v2/tickets/{id}.json``, the row undecoded."""
USERS: Final = Lenient(_Users, lambda answer: users_of(answer.users or []))
"""Of ``/api/v2/users/show_many.json``."""
ORGANIZATIONS: Final = Lenient(
    _Organizations, lambda answer: NamedPage(named_of(answer.organizations or []), Paging(False, None))
)
GROUPS_PAGE: Final = Lenient(
    _Groups, lambda page: NamedPage(named_of(page.groups or []), _paging(page.meta, page.links))
)
