"""The parts of Zendesk's records that ticketstream reads. Unknown fields are ignored.

Sources: Zendesk's API reference (Tickets, Ticket Comments, Users, Organizations, Groups,
Incremental Exports). Times are ISO 8601 in UTC; ids are 64-bit integers.
"""

from __future__ import annotations

from typing import Any

import msgspec

from schemas.merges import target_of_via


class Ticket(msgspec.Struct, omit_defaults=True):
    """A ticket row of an export, a view or ``show_many``."""

    id: int
    created_at: str
    updated_at: str
    status: str = "new"
    subject: str | None = None
    description: str | None = None
    priority: str | None = None
    tags: list[str] = []
    requester_id: int | None = None
    submitter_id: int | None = None
    assignee_id: int | None = None
    organization_id: int | None = None
    group_id: int | None = None
    brand_id: int | None = None
    is_public: bool = True
    generated_timestamp: int | None = None
    """Unix seconds; set in incremental exports, which are ordered by it."""


class Attachment(msgspec.Struct, omit_defaults=True):
    """A file of a comment. Only its name is kept."""

    id: int
    file_name: str = ""
    content_type: str = ""


class Comment(msgspec.Struct, omit_defaults=True):
    """A comment of a ticket; ``public`` decides who may ever read it."""

    id: int
    public: bool
    created_at: str = ""
    author_id: int | None = None
    body: str | None = None
    plain_body: str | None = None
    html_body: str | None = None
    attachments: list[Attachment] = []
    via: Any = None
    """How it came about. Only what it says of a merge is kept, as ``merged_into``."""
    merged_into: int | None = None
    """The ticket that this comment's own ticket was merged into with it, as its ``via`` says."""

    def __post_init__(self) -> None:
        if self.via is not None:
            self.merged_into, self.via = target_of_via(self.via), None


class User(msgspec.Struct, omit_defaults=True):
    """A person: requester, agent or comment author."""

    id: int
    name: str = ""
    email: str | None = None
    role: str = ""
    organization_id: int | None = None


class Named(msgspec.Struct, omit_defaults=True):
    """An organisation or a group: only id and name are read."""

    id: int
    name: str = ""


class CursorMeta(msgspec.Struct):
    """The ``meta`` of a list with cursor paging."""

    has_more: bool
    after_cursor: str | None = None


class ExportPage(msgspec.Struct):
    """A page of ``/api/v2/incremental/tickets/cursor.json``."""

    tickets: list[Ticket]
    after_cursor: str
    end_of_stream: bool


class RawExportPage(msgspec.Struct):
    """The same page with its rows undecoded, so that one bad row cannot spoil the others."""

    tickets: list[msgspec.Raw]
    after_cursor: str
    end_of_stream: bool
    users: list[msgspec.Raw] = []
    """This and the next ones are there when they are asked for (``include``)."""
    organizations: list[msgspec.Raw] = []
    groups: list[msgspec.Raw] = []


class RawEventsPage(msgspec.Struct):
    """A page of ``/api/v2/incremental/ticket_events.json``, its events undecoded."""

    ticket_events: list[msgspec.Raw]
    end_of_stream: bool
    end_time: int | None = None
    """Unix seconds of the newest event; null where there is none."""


class TicketEvent(msgspec.Struct):
    """One update of a ticket, with what it changed, undecoded."""

    ticket_id: int
    created_at: str = ""
    child_events: list[msgspec.Raw] = []


class ChildEvent(msgspec.Struct):
    """What an update changed; the kind is ``event_type`` in the export, ``type`` in audits."""

    event_type: str = ""
    type: str = ""
    comment_id: int | None = None
    body: str | None = None
    html_body: str | None = None
    plain_body: str | None = None


class RawTicketsPage(msgspec.Struct):
    """The answer of ``/api/v2/tickets/show_many.json``, its rows undecoded."""

    tickets: list[msgspec.Raw]


class RawTicket(msgspec.Struct):
    """The answer of ``/api/v2/tickets/{id}.json``, its row undecoded."""

    ticket: msgspec.Raw


class CommentsPage(msgspec.Struct):
    """A page of ``/api/v2/tickets/{id}/comments.json?include=users``."""

    comments: list[Comment]
    meta: CursorMeta
    users: list[User] = []


class AuditsPage(msgspec.Struct):
    """A page of ``/api/v2/tickets/{id}/audits.json``, its audits undecoded."""

    audits: list[msgspec.Raw] | None = None
    meta: CursorMeta | None = None


class Audit(msgspec.Struct):
    """One update of a ticket: what is read of it is how it, and each event in it, came about."""

    via: Any = None
    events: Any = None


class UsersPage(msgspec.Struct):
    """The answer of ``/api/v2/users/show_many.json``."""

    users: list[User]


class OrganizationsPage(msgspec.Struct):
    """The answer of ``/api/v2/organizations/show_many.json``."""

    organizations: list[Named]


class GroupsPage(msgspec.Struct):
    """A page of ``/api/v2/groups.json``."""

    groups: list[Named]
    meta: CursorMeta
