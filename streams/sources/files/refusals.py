"""Files that hold no tickets we can read: what each is, and what to export instead."""

from __future__ import annotations

import re
from typing import Final

from schemas.errors import UserError

WHAT_TO_EXPORT: Final = (
    "export the tickets as JSON (Zendesk's Admin Center: Account > Tools > Reports > Export > JSON export, "
    "tickets)"
)
_UNPACK: Final = "unpack it, and import what is inside"

_MAGIC: Final[tuple[tuple[bytes, int, str, str], ...]] = (
    (b"%PDF", 0, "a PDF document", WHAT_TO_EXPORT),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 0, "an old Office document (such as .xls)", WHAT_TO_EXPORT),
    (b"SQLite format 3\x00", 0, "an SQLite database", WHAT_TO_EXPORT),
    (b"PAR1", 0, "a Parquet file", WHAT_TO_EXPORT),
    (b"\x89PNG", 0, "a picture", WHAT_TO_EXPORT),
    (b"\xff\xd8\xff", 0, "a picture", WHAT_TO_EXPORT),
    (b"GIF8", 0, "a picture", WHAT_TO_EXPORT),
    (b"{\\rtf", 0, "an RTF document", WHAT_TO_EXPORT),
    (b"ustar", 257, "a tar archive", _UNPACK),
    (b"BZh", 0, "packed with bzip2", _UNPACK),
    (b"\xfd7zXZ\x00", 0, "packed with xz", _UNPACK),
    (b"\x28\xb5\x2f\xfd", 0, "packed with Zstandard", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", 0, "a 7-Zip archive", _UNPACK),
    (b"Rar!\x1a\x07", 0, "a RAR archive", _UNPACK),
)
"""First bytes, where they stand, what the file is, and what to do."""
MAGIC_BYTES: Final = 262
_TAG: Final = re.compile(r"<[!?a-zA-Z]")
_BINARY: Final = re.compile(r"[\x00-\x08\x0e-\x1a]")
_SEPARATORS: Final = (",", ";", "\t", "|")


class NoTicketsError(UserError):
    """A file, or one file of an archive, that holds no tickets we can read."""


def refuse_packed(name: str, start: bytes) -> None:
    """Raise NoTicketsError for a file whose first bytes tell that it is no text."""
    for magic, at, what, todo in _MAGIC:
        if start[at : at + len(magic)] == magic:
            raise NoTicketsError(f"{name} is {what}: {todo}")


def refusal_of_text(name: str, head: str) -> NoTicketsError:
    """Return what to say of a text that is no JSON, by its first lines."""
    start = head.lstrip()[:2000].lower()
    what = "text, and no JSON"
    if _TAG.match(start):
        is_page = start.startswith("<!doctype html") or "<html" in start
        what = "a web page (HTML)" if is_page else "XML"
    elif _BINARY.search(head):
        what = "binary data, and no JSON"
    elif _is_table(head):
        what = "a table (CSV)"
    return NoTicketsError(f"{name} is {what}: {WHAT_TO_EXPORT}")


def _is_table(head: str) -> bool:
    lines = [line for line in head.lstrip().splitlines()[:2] if line.strip()]
    return any(lines and all(line.count(each) >= 1 for line in lines) for each in _SEPARATORS)


def no_tickets(name: str, kinds: list[str], fault: str) -> NoTicketsError:
    """Return what to say of JSON in which no row is a ticket: what it holds, or what is wrong with it."""
    if kinds:
        words = " and ".join(dict.fromkeys(kinds))
        return NoTicketsError(f"{name} holds {words}, and no tickets: {WHAT_TO_EXPORT}")
    return NoTicketsError(f"{name} holds no tickets that can be read ({fault}): {WHAT_TO_EXPORT}")


def empty(name: str) -> NoTicketsError:
    """Return what to say of a file without any row."""
    return NoTicketsError(f"{name} holds no tickets: it is empty, or an export of nothing")
