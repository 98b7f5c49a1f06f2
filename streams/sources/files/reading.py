"""Reads a file of any layout as numbered rows, and looks at it before."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

from schemas.errors import UserError
from streams.sources.files.layout import Layout, layout_of
from streams.sources.files.pages import Row, rows_in
from streams.sources.files.refusals import NoTicketsError, empty
from streams.sources.files.text import utf8_of
from streams.sources.files.unpacking import streams_of
from streams.sources.files.values import Piece, Values

MAX_ROW_BYTES: Final = 384 * 1024 * 1024
"""A ticket of 5,000 comments of 64 kB, the most Zendesk allows, is 320 MB of JSON."""
KEPT_OF_A_TOO_LONG_ROW: Final = 64 * 1024
_HEAD_BYTES: Final = 1024 * 1024
_BUFFER: Final = 1024 * 1024
_DAMAGED: Final = (
    *(EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile),
    *(NotImplementedError, struct.error, UnicodeDecodeError),  # of an archive's own tables
)
_BETWEEN: Final = b" \t\r\n\x1e"


class NumberedRow(NamedTuple):
    """A row with its number: its line's where each line is a document, else how many rows came before, + 1.

    Numbers only grow, over all files of an archive too, and are the same whenever the file is read.
    """

    number: int
    row: Row


def rows_of(path: Path, left_out: Callable[[str], object] = lambda _: None) -> Iterator[NumberedRow]:
    """Yield all rows of an export file, plain, or packed by gzip or zip, in any UTF.

    Holds one row at a time (a page of the API up to 32 MiB with it). Files of an archive that hold no
    tickets are told to ``left_out``, in a sentence. Raises UserError when there is nothing else, and when
    the file is missing, not readable, not a file or damaged.
    """
    number, refused, found = 0, None, False
    try:
        with closing(streams_of(path)) as streams:
            for name, stream in streams:
                text = utf8_of(name, stream)
                try:
                    head, text = _head(text)
                    layout = layout_of(name, head, is_all=len(head) < _HEAD_BYTES)
                except NoTicketsError as error:
                    if name == str(path):
                        raise
                    refused = refused or error
                    left_out(str(error))
                    continue
                found = True
                before = number
                for line, piece in _pieces(name, text, layout):
                    for row in rows_in(piece):
                        number = max(before + line, number + 1)
                        yield NumberedRow(number, row)
    except _DAMAGED as error:
        raise UserError(
            f"{path} is damaged after row {number:,} ({error}): export or download it again"
        ) from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error
    if not found:
        raise refused or empty(str(path))


def count_rows(path: Path, left_out: Callable[[str], object] = lambda _: None) -> int:
    """Return how many rows there are: the tickets to expect. Raises UserError as reading does."""
    return sum(1 for _ in rows_of(path, left_out))


class _Again(io.RawIOBase):
    """A stream with what has been read of it put back before it."""

    def __init__(self, head: bytes, rest: io.BufferedReader[Any]) -> None:
        super().__init__()
        self._head = memoryview(head)
        self._rest = rest

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer."""
        if self._head:
            taken = self._head[: len(buffer)]
            buffer[: len(taken)] = taken
            self._head = self._head[len(taken) :]
            return len(taken)
        return self._rest.readinto(buffer)


def _head(text: io.BufferedReader[Any]) -> tuple[bytes, io.BufferedReader[Any]]:
    head = text.read(_HEAD_BYTES)
    return head, io.BufferedReader(_Again(head, text), _BUFFER)


def _pieces(name: str, text: io.BufferedReader[Any], layout: Layout) -> Iterator[tuple[int, Piece]]:
    """Yield each piece with its line, or 0 where lines mean nothing."""
    if layout == "lines":
        yield from _lines(text)
        return
    for piece in Values(name, text, largest=MAX_ROW_BYTES, kept=KEPT_OF_A_TOO_LONG_ROW):
        yield 0, piece


def _lines(text: io.BufferedReader[Any]) -> Iterator[tuple[int, Piece]]:
    """Yield number and content of each line that is not blank."""
    number = 0
    while line := text.readline(MAX_ROW_BYTES + 1):
        number += 1
        whole = len(line) <= MAX_ROW_BYTES or line.endswith(b"\n")
        rest = line
        while not rest.endswith(b"\n") and (rest := text.readline(_BUFFER)):
            pass
        if not whole:
            line = line[:KEPT_OF_A_TOO_LONG_ROW]
        if (line := line.strip(_BETWEEN)) or not whole:
            yield number, Piece(line, whole)
