"""The parts of Zendesk's records that ticketstream keeps, as they travel in its messages.

What Zendesk itself answers is read by schemas.zendesk_rows. Times are RFC 3339 in UTC, "" where one is not
known; ids are 64-bit integers. Sources: Zendesk's API reference (Tickets, Ticket Comments, Users,
Organizations, Groups, Incremental Exports).
"""

from __future__ import annotations

import msgspec


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
    """A comment of a ticket; ``public`` decides who may ever read it. Id 0: Zendesk gave it none."""

    id: int
    public: bool
    created_at: str = ""
    author_id: int | None = None
    body: str | None = None
    plain_body: str | None = None
    html_body: str | None = None
    attachments: list[Attachment] = []
    merged_into: int | None = None
    """The ticket that this comment's own ticket was merged into with it, as its ``via`` says."""
    transcription: str | None = None
    """What was said in a call; Zendesk has it in ``data.transcription_text``."""


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
