"""Opens a file as the streams of bytes in it: itself, what gzip has packed, or each file of a zip archive."""

from __future__ import annotations

import gzip
import io
import os
import stat
import zipfile
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Protocol

from schemas.errors import UserError
from streams.sources.files.refusals import MAGIC_BYTES, WHAT_TO_EXPORT, NoTicketsError, refuse_packed

_GZIP: Final = b"\x1f\x8b"
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")
_READ_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Only these are unpacked piece by piece, however much comes out."""
_MOST_MEMBERS: Final = 10_000
_BUFFER: Final = 1024 * 1024
ALWAYS_UNPACKED: Final = 256 * 1024 * 1024
LARGEST_RATIO: Final = 1_100
"""Deflate makes at most 1,032 bytes of one; what makes more is packed in itself or overlaps, as bombs do."""


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """Return up to so many bytes; none at the end."""


class Unpacked(io.RawIOBase):
    """A stream of what was packed; raises UserError when far more comes out than a packer can put in."""

    def __init__(self, source: Readable, name: str, budget: list[int]) -> None:
        super().__init__()
        self._source = source
        self._name = name
        self._budget = budget

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer."""
        filled = 0
        while filled < len(buffer) and (piece := self._source.read(len(buffer) - filled)):
            buffer[filled : filled + len(piece)] = piece
            filled += len(piece)
        self._budget[0] -= filled
        if self._budget[0] < 0:
            raise UserError(
                f"{self._name} unpacks to over {LARGEST_RATIO:,} times its size, which no export does: "
                "it is damaged, or a trap"
            )
        return filled


def streams_of(path: Path) -> Generator[tuple[str, io.BufferedReader[Any]], None, None]:
    """Yield name and bytes of each file to look at; a stream is closed when the next is asked for.

    The name is the path's, or that of the file in the archive with the archive's. Raises UserError, of which
    NoTicketsError is one, for what is no file or no archive that can be read; OSError, EOFError,
    zlib.error and zipfile.BadZipFile for what is damaged.
    """
    with ExitStack() as opened:
        file = opened.enter_context(_regular(path))
        start = _start(file)
        size = os.fstat(file.fileno()).st_size
        budget = [max(ALWAYS_UNPACKED, size * LARGEST_RATIO)]
        if start.startswith(_ZIP):
            yield from _members(path, file, budget)
            return
        yield str(path), _plain(str(path), file, start, budget, opened)


def _regular(path: Path) -> io.BufferedReader[Any]:
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise UserError(f"{path} cannot be read: it is a directory; name the file of tickets in it")
    if not stat.S_ISREG(mode):
        raise UserError(f"{path} is a pipe or device, but it is read more than once: save it to a file first")
    return path.open("rb")


def _start(file: io.BufferedReader[Any]) -> bytes:
    start = file.read(MAGIC_BYTES)
    file.seek(0)
    return start


def _plain(
    name: str, file: io.BufferedReader[Any], start: bytes, budget: list[int], opened: ExitStack
) -> io.BufferedReader[Any]:
    """Return the bytes of a file, unpacked where gzip has packed it."""
    if not start.startswith(_GZIP):
        refuse_packed(name, start)
        return file
    packed = opened.enter_context(gzip.GzipFile(fileobj=file))
    inner: io.BufferedReader[Any] = io.BufferedReader(Unpacked(packed, name, budget), _BUFFER)
    start = inner.peek(MAGIC_BYTES)
    if start.startswith((_GZIP, *_ZIP)):
        raise NoTicketsError(f"{name} is packed twice: unpack it once, and import what is inside")
    refuse_packed(name, start)
    return inner


def _members(
    path: Path, file: io.BufferedReader[Any], budget: list[int]
) -> Generator[tuple[str, io.BufferedReader[Any]], None, None]:
    with zipfile.ZipFile(file) as archive:
        # A damaged archive has files without a name, which is_dir() does not bear.
        named = ((one.filename, one) for one in archive.infolist())
        members = [one for name, one in named if not name.endswith("/") and not _is_clutter(name)]
        _check_archive(path, members)
        for member in members:
            name = f"{_shown(member)} in {path}"
            with ExitStack() as opened:
                unpacked = Unpacked(opened.enter_context(archive.open(member)), name, budget)
                inner: io.BufferedReader[Any] = io.BufferedReader(unpacked, _BUFFER)
                start = inner.peek(MAGIC_BYTES)
                if start.startswith(_ZIP):
                    raise NoTicketsError(f"{name} is a zip archive too: unpack {path}, and import that one")
                yield name, _plain(name, inner, start, budget, opened)


def _check_archive(path: Path, members: list[zipfile.ZipInfo]) -> None:
    names = {member.filename for member in members}
    if "[Content_Types].xml" in names or ("mimetype" in names and "content.xml" in names):
        raise NoTicketsError(f"{path} is a spreadsheet or another Office document: {WHAT_TO_EXPORT}")
    if len(members) > _MOST_MEMBERS:
        raise NoTicketsError(f"{path} holds {len(members):,} files: at most {_MOST_MEMBERS:,} are read")
    for member in members:
        if member.flag_bits & 1:
            raise NoTicketsError(
                f"{path} is encrypted: unpack it with its password, and import what is inside"
            )
        if member.compress_type not in _READ_METHODS:
            raise NoTicketsError(
                f"{_shown(member)} in {path} is packed in a way that is not read: unpack it, and import "
                "what is inside"
            )


def _shown(member: zipfile.ZipInfo) -> str:
    """Return a file's name for messages: whoever packed the archive chose it."""
    return "".join(char if char.isprintable() else "?" for char in member.filename[:200])


def _is_clutter(name: str) -> bool:
    """Return whether a file of an archive is what a Mac or Windows adds of its own."""
    last = name.rsplit("/", 1)[-1]
    return name.startswith("__MACOSX/") or last.startswith("._") or last in (".DS_Store", "Thumbs.db")
