"""Cuts a stream of JSON into rows, wherever lines end: the elements of arrays, and objects one after another.

A row's bytes are kept as they are: what cannot be decoded in one is a fault of that row alone, which a parser
of the whole document cannot promise. Only brackets and strings are looked at, by compiled patterns.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from schemas.errors import UserError

_CHUNK: Final = 1024 * 1024
_TO_BRACKET: Final = re.compile(rb'(?:[^"{}\[\]]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
"""Everything up to the next bracket outside strings, or up to a string whose end is not there yet."""
_IN_STRING: Final = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_ROWS_KEY: Final = re.compile(rb'"(?:tickets|results)"\s*+:\s*+\Z')
"""What stands before the ``[`` of the rows of a page of the API."""
_LONGEST_KEY: Final = 256
_BETWEEN: Final = b" \t\r\n,\x1e"
_QUOTE, _BRACE, _BRACKET, _BRACE_END, _BRACKET_END = b'"{[}]'

HELD_PAGE_BYTES: Final = 32 * 1024 * 1024
"""A page up to this size is one row, with the names it brings; of a larger one each ticket is a row."""


class Piece(NamedTuple):
    """The bytes of a row; only the first of them where it is over the limit (``whole`` is False)."""

    raw: bytes
    whole: bool


class Values:
    """Reads a stream once. ``largest`` bounds a row; of longer ones ``kept`` bytes are kept.

    A page of at most ``held_page`` bytes is one row.
    """

    def __init__(
        self,
        name: str,
        source: io.BufferedReader[Any],
        *,
        largest: int,
        kept: int,
        held_page: int | None = None,
    ) -> None:
        self._name = name
        self._held_page = HELD_PAGE_BYTES if held_page is None else held_page
        self._text = _Brackets(source, largest, kept)
        self._closing: list[int] = []
        """What ends each array or page that is open around the rows."""
        self._count = 0

    def __iter__(self) -> Iterator[Piece]:
        """Yield all rows; raises UserError where the brackets tell that the file is cut off or damaged."""
        text = self._text
        while True:
            text.begin()
            char = text.next()
            in_page = self._closing[-1:] == [_BRACE_END]
            between = text.taken()
            if not in_page and (stray := between.raw.strip(_BETWEEN)):
                yield self._counted(Piece(stray, between.whole))
            if char is None:
                if self._closing or text.in_string:
                    raise self._cut_off()
                return
            if char == _BRACKET and (not in_page or text.opens_rows()):
                self._closing.append(_BRACKET_END)
                text.at += 1
            elif char in (_BRACE, _BRACKET):
                if (row := self._value(skipped=in_page)) is not None:
                    yield self._counted(row)
            elif self._closing[-1:] == [char]:
                self._closing.pop()
                text.at += 1
            else:
                raise UserError(
                    f"{self._name} is damaged after row {self._count:,} ({chr(char)!r} closes nothing): "
                    "export or download it again"
                )

    def _value(self, *, skipped: bool) -> Piece | None:
        """Read the object or array that begins here; None for one that is skipped, or is opened as a page."""
        text = self._text
        text.begin(holds=not skipped)
        is_object = text.buffer[text.at] == _BRACE
        depth, rows = 0, -1
        char: int | None = text.buffer[text.at]
        while char is not None:
            if depth == 1 and char == _BRACKET and is_object and rows < 0 and text.opens_rows():
                rows = text.at - text.start
            depth += 1 if char in (_BRACE, _BRACKET) else -1
            text.at += 1
            if not depth:
                return None if skipped else text.taken()
            if rows > 0 and text.held > self._held_page and not text.over:
                self._closing.append(_BRACE_END)
                text.at = text.start + rows
                return None
            char = text.next()
        raise self._cut_off()

    def _counted(self, piece: Piece) -> Piece:
        self._count += 1
        return piece

    def _cut_off(self) -> UserError:
        return UserError(
            f"{self._name} is cut off or damaged after row {self._count:,} (a bracket or text is never "
            "closed): export or download it again"
        )


class _Brackets:
    """Goes from bracket to bracket, and holds what has come since ``begin``, up to a limit."""

    def __init__(self, source: io.BufferedReader[Any], largest: int, kept: int) -> None:
        self._source = source
        self._largest = largest
        self._kept_bytes = kept
        self._kept = b""
        self._ended = False
        self.buffer = b""
        self.start = self.at = 0
        self.over = False
        self.in_string = False

    def begin(self, *, holds: bool = True) -> None:
        """Hold what comes from here on, or nothing of it."""
        self.start = self.at
        self.over, self._kept = not holds, b""

    @property
    def held(self) -> int:
        """How many bytes there are between ``begin`` and here."""
        return self.at - self.start

    def taken(self) -> Piece:
        """Return what has come since ``begin``."""
        if self.over or self.held > self._largest:
            return Piece((self._kept or self.buffer[self.start : self.at])[: self._kept_bytes], False)
        return Piece(self.buffer[self.start : self.at], True)

    def opens_rows(self) -> bool:
        """Return whether the bracket here follows the key of a page's rows."""
        return _ROWS_KEY.search(self.buffer[max(0, self.at - _LONGEST_KEY) : self.at]) is not None

    def next(self) -> int | None:
        """Go to the next bracket outside strings and return it; None at the end."""
        at = self.at
        while True:
            at = _TO_BRACKET.match(self.buffer, at).end()  # type: ignore[union-attr]
            if at < len(self.buffer) and self.buffer[at] != _QUOTE:
                self.at = at
                return self.buffer[at]
            self.at = at
            if self._ended:
                self.in_string = at < len(self.buffer)
                return None
            self._let_go()
            self._fill()
            at = self.at

    def _let_go(self) -> None:
        """Of what is over the limit hold only the beginning; of a text amid which it stands the quote."""
        if not self.over and len(self.buffer) - self.start > self._largest:
            self.over, self._kept = True, self.buffer[self.start : self.start + self._kept_bytes]
        if not self.over:
            return
        self.start = self.at
        if len(self.buffer) - self.at > _CHUNK:
            end = _IN_STRING.match(self.buffer, self.at + 1).end()  # type: ignore[union-attr]
            self.buffer = b'"' + self.buffer[end:]
            self.start = self.at = 0

    def _fill(self) -> None:
        """Read on: as much as is held already, so that nothing is copied more than a few times."""
        rest = self.buffer[self.start :]
        piece = self._source.read(max(_CHUNK, min(len(rest), self._largest)))
        self._ended = not piece
        self.buffer = rest + piece
        self.at -= self.start
        self.start = 0
