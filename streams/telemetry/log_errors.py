"""Errors in log lines: what they are and where they come from, without what they may quote.

Messages of libraries' errors, and the answers of services, can hold text of a ticket. They are logged
only at the level debug; above it an error nobody foresaw has a name and a place in the code.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from aiokafka.errors import KafkaError

from schemas.errors import TicketstreamError

_OWN_WORDS: Final = (TicketstreamError, OSError, KafkaError)
"""Errors whose messages are about the service or the machine, not about what was sent."""
_FRAMES: Final = 12


def described(error: BaseException, *, whole: bool = False) -> str:
    """Return an error as one line; ``whole`` with whatever its message quotes."""
    kind = type(error).__name__
    if not whole and not isinstance(error, _OWN_WORDS):
        return kind
    words = " ".join(str(error).split())
    if isinstance(error, TicketstreamError):
        if error.quoted and not whole:
            words = words.replace(error.quoted, "…")
        return words or kind
    return f"{kind}: {words}" if words else kind


def place_of(error: BaseException, *, whole: bool = False) -> str:
    """Return an error, where it was raised (innermost first), and those it came from, as one line."""
    return " | from ".join(_placed(each, whole) for each in _chain(error))


def _placed(error: BaseException, whole: bool) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    places = (f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    return f"{described(error, whole=whole)} at {' < '.join(places) or 'no place'}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _short(filename: str) -> str:
    return "/".join(Path(filename).parts[-2:])
