"""Rows within rows: the tickets of a page of the API, of an array on one line, of an answer of one ticket."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from schemas.errors import UserError
from schemas.outside import UNREADABLE
from schemas.zendesk_pages import RawExportPage
from streams.sources.files.values import Piece, Values
from streams.sources.zendesk.sideloads import Sideloads


class Row(NamedTuple):
    """A row that should be a ticket, and the names its page brings (None where it comes in no page)."""

    raw: bytes
    whole: bool
    names: Sideloads | None = None


class _Page(msgspec.Struct):
    tickets: list[msgspec.Raw] | None = None
    results: list[msgspec.Raw] | None = None
    ticket: msgspec.Raw = msgspec.Raw(b"null")
    users: list[msgspec.Raw] = []
    organizations: list[msgspec.Raw] = []
    groups: list[msgspec.Raw] = []


_PAGE: Final = msgspec.json.Decoder(_Page)
_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])
_KEYS: Final = (b'"tickets"', b'"results"', b'"ticket"')
_OBJECT: Final = b"{"


def rows_in(piece: Piece) -> Iterator[Row]:
    """Yield the rows of a piece: those of a page or an array of objects, or the piece itself."""
    raw = piece.raw
    if piece.whole and raw[:1] == b"[":
        try:
            elements = [bytes(one) for one in _ARRAY.decode(raw)]
        except UNREADABLE:
            elements = _cut(raw)
        if elements and all(one[:1] == _OBJECT for one in elements):
            for one in elements:
                yield from rows_in(Piece(one, True))
            return
    elif piece.whole and any(key in raw for key in _KEYS) and (page := _page(raw)) is not None:
        if isinstance(page, list):
            yield from (Row(one, True) for one in page)
            return
        names = Sideloads.of(RawExportPage([], None, True, page.users, page.organizations, page.groups))
        rows = page.tickets if page.tickets is not None else page.results
        for row in [page.ticket] if rows is None else rows:
            yield Row(bytes(row), True, names)
        return
    yield Row(raw, piece.whole)


def _page(raw: bytes) -> _Page | list[bytes] | None:
    """Return a page of tickets, or the rows of one in which a row cannot be read; None for all else."""
    try:
        page = _PAGE.decode(raw)
    except UNREADABLE:
        rows = _cut(raw)
        return None if rows in ([], [raw]) else rows
    is_page = page.tickets is not None or page.results is not None
    return page if is_page or _is_object(page.ticket) else None


def _cut(raw: bytes) -> list[bytes]:
    """Return the rows of an array or a page by its brackets alone; none where these do not fit."""
    source = io.BufferedReader(io.BytesIO(raw))
    try:
        return [one.raw for one in Values("", source, largest=len(raw), kept=0, held_page=0)]
    except UserError:
        return []


def _is_object(raw: msgspec.Raw) -> bool:
    return bytes(memoryview(raw)[:1]) == _OBJECT
