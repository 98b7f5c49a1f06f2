"""The text of a file as UTF-8, whichever UTF it is in."""

from __future__ import annotations

import codecs
import io
import json
from typing import Any, Final

from streams.sources.files.refusals import NoTicketsError

_BUFFER: Final = 1024 * 1024
_LONGEST_BOM: Final = 4
_UTF8: Final = ("utf-8", "utf-8-sig")


class _AsUtf8(io.RawIOBase):
    """Bytes of another UTF, turned into UTF-8 piece by piece.

    Half a surrogate pair stays what it is, so that only its row cannot be read.
    """

    def __init__(self, source: io.BufferedReader[Any], name: str, encoding: str) -> None:
        super().__init__()
        self._source = source
        self._name = name
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
        self._left = b""
        self._ended = False

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer; raises NoTicketsError where the bytes are not of their encoding."""
        while not self._left and not self._ended:
            piece = self._source.read(_BUFFER)
            self._ended = not piece
            try:
                text = self._decoder.decode(piece, final=self._ended)
            except UnicodeDecodeError:
                raise NoTicketsError(
                    f"{self._name} is no {self._encoding.upper()} text, as its beginning says it is: it is "
                    "damaged, or no text; export or download it again"
                ) from None
            self._left = text.encode("utf-8", "surrogatepass")
        taken = self._left[: len(buffer)]
        buffer[: len(taken)] = taken
        self._left = self._left[len(taken) :]
        return len(taken)


def utf8_of(name: str, source: io.BufferedReader[Any]) -> io.BufferedReader[Any]:
    """Return the text of a stream as UTF-8 without a byte order mark.

    The encoding is told by the mark or, in JSON's own way, by where the zero bytes are (RFC 4627, part 3).
    """
    start = source.peek(_LONGEST_BOM)[:_LONGEST_BOM]
    encoding = json.detect_encoding(start)
    if encoding in _UTF8:
        if encoding == "utf-8-sig":
            source.read(len(codecs.BOM_UTF8))
        return source
    return io.BufferedReader(_AsUtf8(source, name, encoding), _BUFFER)
