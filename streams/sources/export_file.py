"""Zendesk's JSON export as a file: one ticket a line, with its comments and people inside.

Each line has the fields of the API's ticket, and beside the ids whole objects: ``requester``,
``submitter``, ``assignee``, ``organization``, ``group``, ``comments``. The API's bare rows, one a
line, are read too. Source: Zendesk's help centre, "Exporting data to a JSON, CSV, or XML file".
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import msgspec

from schemas.errors import DecodeError, UserError, quoting
from schemas.messages import TicketChange
from schemas.outside import NOTHING, UNREADABLE, Lenient, rows_in
from schemas.zendesk_rows import TicketFields, comments_of, name_in, ticket_from, users_of
from streams.sources.zendesk.export import change_of

MAX_LINE_BYTES: Final = 64 * 1024 * 1024
KEPT_OF_A_TOO_LONG_LINE: Final = 64 * 1024
_BUFFER: Final = 1024 * 1024
_GZIP: Final = b"\x1f\x8b"
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class FileTicket:
    """A ticket of a file; lines count from 1."""

    line: int
    change: TicketChange


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no ticket, with what is wrong.

    ``raw`` is the whole line, but only the first 64 KiB of one that is over 64 MiB.
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
    path: Path, *, account: str, import_id: str = "", after_line: int = 0
) -> Iterator[FileTicket | BadLine]:
    """Yield the tickets of an NDJSON export, plain or gzipped, after line ``after_line``.

    Blank lines are skipped. Holds one line at a time. Raises UserError when the file is missing, not
    readable, not a file or damaged.
    """
    for number, line, whole in _lines(path):
        if number <= after_line:
            continue
        if not whole:
            yield BadLine(number, line, f"the line is over {MAX_LINE_BYTES // 2**20} MiB")
            continue
        try:
            yield FileTicket(number, change_from_line(line, account=account, import_id=import_id))
        except DecodeError as error:
            yield BadLine(number, line, str(error))


def count_lines(path: Path) -> int:
    """Return how many lines are not blank: the tickets to expect. Raises UserError as reading does."""
    return sum(1 for _ in _lines(path))


def change_from_line(line: bytes, *, account: str, import_id: str = "") -> TicketChange:
    """Return the change that a line tells of; raises DecodeError for a line that is no ticket."""
    try:
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
    if bytes(row.comments).startswith(b"["):
        change.comments = comments_of(rows_in(row.comments))
    change.users = list(users.values()) or None
    change.organization, change.group = organization, group
    return change


def _lines(path: Path) -> Iterator[tuple[int, bytes, bool]]:
    """Yield number, content and whether that is all of it, for each line that is not blank."""
    number = 0
    try:
        with closing(_open(path)) as file:
            while piece := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                whole = len(piece) <= MAX_LINE_BYTES or piece.endswith(b"\n")
                rest = piece
                while not rest.endswith(b"\n") and (rest := file.readline(_BUFFER)):
                    pass
                if not whole:
                    piece = piece[:KEPT_OF_A_TOO_LONG_LINE]
                line = (piece.removeprefix(_BOM) if number == 1 else piece).strip()
                if line or not whole:
                    yield number, line, whole
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(
            f"{path} is damaged after line {number} ({error}): export or download it again"
        ) from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error


def _open(path: Path) -> IO[bytes]:
    """Open a file, looking into it for how it is packed: its name may not tell."""
    file = path.open("rb", buffering=_BUFFER)
    try:
        start = file.read(len(_GZIP))
        file.seek(0)
    except BaseException:
        file.close()
        raise
    if start != _GZIP:
        return file
    file.close()
    packed: IO[bytes] = gzip.GzipFile(path)  # type: ignore[assignment]
    return packed
