"""How a text is laid out: a document a line, or JSON wherever lines end; or no JSON at all."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from schemas.errors import UserError
from schemas.outside import UNREADABLE
from streams.sources.files.pages import Row, rows_in
from streams.sources.files.refusals import empty, no_tickets, refusal_of_text
from streams.sources.files.shape import other_than_ticket
from streams.sources.files.values import Piece, Values

Layout = Literal["lines", "values"]

_LOOKED_AT: Final = 100
"""Rows that decide what a file holds."""
_ROWS_KEY: Final = re.compile(rb'(?<!\\)"(?:tickets|results)"\s*+:\s*+\[')
_OPENING: Final = b"{["
_BLANK: Final = b" \t\r\n\x1e"


def layout_of(name: str, head: bytes, *, is_all: bool) -> Layout:
    """Return the layout of a text by its beginning (``is_all``: that is all of it).

    Raises NoTicketsError for one that is empty or no JSON, or in which none of the first rows is a ticket.
    """
    start = head.lstrip(_BLANK)
    if not start:
        raise empty(name)
    lines = start.split(b"\n")
    if not is_all:
        lines.pop()  # cut off
    lines = [stripped for line in lines if (stripped := line.strip(_BLANK))][:_LOOKED_AT]
    layout: Layout = "lines" if _by_lines(start, lines) else "values"
    if layout == "lines" and not any(line[:1] in _OPENING for line in lines or [start]):
        raise refusal_of_text(name, start[:20_000].decode("utf-8", "replace"))
    if not _holds_a_ticket(name, _first(start, lines, layout)) and is_all:
        raise empty(name) if _is_json(start) else no_tickets(name, [], "it is cut off or damaged")
    return layout


def _by_lines(start: bytes, lines: list[bytes]) -> bool:
    """Return whether each line is a document of its own, by the beginning and its whole lines."""
    first = start[:1]
    if first == b"[":
        return False
    if first != b"{" or (lines and _is_json(lines[0])):
        return True
    if not lines:  # one long line: a large ticket, or a page of tickets
        return _ROWS_KEY.search(start) is None
    if _is_json(next(_values(start), Piece(b"", False)).raw):
        return False
    others = sum(line[:1] == b"{" and _is_json(line) for line in lines[1:])
    return others * 2 >= len(lines)


def _is_json(raw: bytes) -> bool:
    try:
        msgspec.json.decode(raw, type=msgspec.Raw)
    except UNREADABLE:
        return False
    return True


def _values(start: bytes) -> Iterator[Piece]:
    """Yield the values of a beginning, up to where it is cut off."""
    try:
        yield from Values("", io.BufferedReader(io.BytesIO(start)), largest=len(start), kept=len(start))
    except UserError:
        return


def _first(start: bytes, lines: list[bytes], layout: Layout) -> Iterator[Row]:
    pieces = (Piece(line, True) for line in lines) if layout == "lines" else _values(start)
    seen = 0
    for piece in pieces:
        for row in rows_in(piece):
            yield row
            seen += 1
            if seen == _LOOKED_AT:
                return


def _holds_a_ticket(name: str, rows: Iterator[Row]) -> bool:
    """Return whether one of the first rows is a ticket, False where there is none; raises NoTicketsError."""
    kinds: list[str] = []
    fault = ""
    for row in rows:
        try:
            kind = other_than_ticket(row.raw)
        except UNREADABLE as error:
            fault = fault or str(error)
            continue
        if kind is None:
            return True
        kinds.append(kind)
    if kinds or fault:
        raise no_tickets(name, kinds, fault)
    return False
