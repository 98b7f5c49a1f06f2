"""What comes from outside, read leniently: any field may be null, missing or of a wrong type.

Values are decoded as they are, and pure functions make of each what it can only mean, or nothing. So there is
one way to read an odd answer and a usual one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

import msgspec

from schemas.repair import with_whole_texts, within_bounds

T = TypeVar("T")
Made = TypeVar("Made")

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are not what they should be; the last for thousands of brackets."""
NOTHING: Final = msgspec.Raw(b"null")
LARGEST_ID: Final = 2**63 - 1

_DIGITS: Final = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_EXACT: Final = 2.0**53
_ROWS: Final = msgspec.json.Decoder(list[msgspec.Raw])


class Lenient(Generic[T, Made]):
    """Decodes JSON to ``kind``, and makes of that what is wanted.

    What strict readers refuse is repaired first (see schemas.repair). ``kind`` has fields of any type, or
    undecoded ones, where nothing is to be refused.
    """

    def __init__(self, kind: type[T], make: Callable[[T], Made]) -> None:
        self._decoder = msgspec.json.Decoder(kind)
        self._make = make

    def decode(self, data: bytes | msgspec.Raw, /) -> Made:
        """Return what the bytes say; raises an error of UNREADABLE, and what ``make`` raises."""
        try:
            told = self._decoder.decode(data)
        except UNREADABLE:
            told = self._decode_repaired(with_whole_texts(bytes(data)))
        return self._make(told)

    def _decode_repaired(self, data: bytes) -> T:
        try:
            return self._decoder.decode(data)
        except (RecursionError, msgspec.ValidationError):  # a number out of range is the latter
            return self._decoder.decode(within_bounds(data))


def rows_in(raw: msgspec.Raw) -> list[msgspec.Raw]:
    """Return the undecoded rows of what should be a list; none of anything else."""
    try:
        return _ROWS.decode(raw)
    except UNREADABLE:
        return []


def text_of(value: object) -> str:
    """Return a text; a number is one too, and everything else is none. Without NUL."""
    if type(value) is str:
        return value.replace("\0", "") if "\0" in value else value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return ""


def number_of(value: Any) -> int | None:
    """Return a whole number of 64 bits; its digits as a text, and 103.0, are clear too."""
    if type(value) is int:
        number = value
    elif _is_whole(value):
        number = int(value)
    else:
        return None
    return number if -LARGEST_ID - 1 <= number <= LARGEST_ID else None


def _is_whole(value: object) -> bool:
    if isinstance(value, float):
        return value.is_integer() and abs(value) <= _EXACT
    return isinstance(value, str) and _DIGITS.fullmatch(value.strip()) is not None


def id_of(value: object) -> int | None:
    """Return the id of a record: a whole number above 0."""
    number = number_of(value)
    return number if number is not None and number > 0 else None


def field_of(value: object, name: str) -> Any:
    """Return a field of what should be an object; None where it is none, or has no such field."""
    return value.get(name) if isinstance(value, dict) else None
