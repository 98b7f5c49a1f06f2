"""Zendesk's exports of tickets as files: rows with their comments and people inside, or the API's bare rows.

A row of the JSON export has the fields of the API's ticket, and beside the ids whole objects: ``requester``,
``submitter``, ``assignee``, ``organization``, ``group``, ``comments``. How a file may be laid out and packed
is told in streams.sources.files. Source: Zendesk's help centre, "Exporting data to a JSON, CSV, or XML file".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from schemas.errors import DecodeError, quoting
from schemas.messages.tickets import TicketChange
from schemas.outside import NOTHING, UNREADABLE, Lenient, rows_in
from schemas.zendesk_rows import TicketFields, comments_of, name_in, ticket_from, users_of
from streams.sources.files import reading
from streams.sources.files.shape import other_than_ticket
from streams.sources.zendesk.export import change_of
from streams.sources.zendesk.sideloads import Sideloads

_AHEAD_SECONDS: Final = 600
"""How far a row's version may lie ahead of this machine's clock."""


@dataclass(frozen=True, slots=True)
class FileTicket:
    """A ticket of a file; ``line`` is its row's number (see streams.sources.files.reading)."""

    line: int
    change: TicketChange


@dataclass(frozen=True, slots=True)
class BadLine:
    """A row that is no ticket, with what is wrong.

    ``raw`` is the whole row in UTF-8, but only the first 64 KiB of one that is over 384 MiB.
    """

    line: int
    raw: bytes
    message: str


class _Line(TicketFields):
    requester: msgspec.Raw = NOTHING
    submitter: msgspec.Raw = NOTHING
    assignee: msgspec.Raw = NOTHING
    organization: msgspec.Raw = NOTHING
    group: msgspec.Raw = NOTHING
    comments: msgspec.Raw = NOTHING


_LINE: Final = Lenient(_Line, lambda line: line)


def read_export_file(
    path: Path,
    *,
    account: str,
    import_id: str = "",
    after_line: int = 0,
    left_out: Callable[[str], object] = lambda _: None,
) -> Iterator[FileTicket | BadLine]:
    """Yield the tickets of an export file after row ``after_line``.

    Files of an archive that hold no tickets are told to ``left_out``. Holds one row at a time, or one page
    of the API. Raises UserError when the file is missing, not readable, no file, damaged, or without
    tickets.
    """
    for number, row in reading.rows_of(path, left_out):
        if number <= after_line:
            continue
        if not row.whole:
            yield BadLine(number, row.raw, f"the row is over {reading.MAX_ROW_BYTES // 2**20} MiB")
            continue
        try:
            change = change_from_line(row.raw, account=account, import_id=import_id)
        except DecodeError as error:
            yield BadLine(number, row.raw, str(error))
            continue
        if row.names is not None:
            _name_people(change, row.names)
        yield FileTicket(number, change)


def change_from_line(line: bytes, *, account: str, import_id: str = "") -> TicketChange:
    """Return the change that a row tells of; raises DecodeError for a row that is no ticket.

    A row of another kind is none, even where a ticket has its number; nor is one from the future, beside
    which whatever happens to the ticket would be old.
    """
    try:
        if (other := other_than_ticket(line)) is not None:
            raise DecodeError(f"not a ticket of Zendesk, but one of the {other}")
        row = _LINE.decode(line)
    except UNREADABLE as error:
        raise quoting(DecodeError(f"not a ticket of Zendesk: {error}"), str(error)) from error
    ticket = ticket_from(row)
    if not ticket.updated_at:
        raise DecodeError("not a ticket of Zendesk: no time says how new it is")
    users = {}
    for person, field in (
        (row.requester, "requester_id"),
        (row.submitter, "submitter_id"),
        (row.assignee, "assignee_id"),
    ):
        for user in users_of([person]):
            if getattr(ticket, field) is None:
                setattr(ticket, field, user.id)
            users[user.id] = user
    organization_id, organization = name_in(row.organization)
    group_id, group = name_in(row.group)
    if ticket.organization_id is None:
        ticket.organization_id = organization_id
    if ticket.group_id is None:
        ticket.group_id = group_id
    change = change_of(ticket, account=account, source="file", import_id=import_id)
    if change.version > time.time() + _AHEAD_SECONDS:
        raise DecodeError(f"the ticket is of the future (version {change.version}): is the clock right?")
    # Every ticket has a comment: none means that they were left out.
    change.comments = comments_of(rows_in(row.comments)) or None
    change.users = list(users.values()) or None
    change.organization, change.group = organization, group
    return change


def _name_people(change: TicketChange, names: Sideloads) -> None:
    """Give a change the names its page brings, where the row has none of its own."""
    ticket = change.ticket
    known = {user.id: user for user in change.users or ()}
    for person in (ticket.requester_id, ticket.submitter_id, ticket.assignee_id):
        if person is not None and person in names.users:
            known.setdefault(person, names.users[person])
    change.users = list(known.values()) or None
    change.organization = change.organization or names.organizations.get(ticket.organization_id or 0, "")
    change.group = change.group or names.groups.get(ticket.group_id or 0, "")
