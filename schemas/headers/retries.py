"""The headers of a dead letter that was sent again: which letter it was, for which time, whose count.

They go with the message through all stages, and into its next dead letter if it fails again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from schemas.headers.traces import as_former

Headers = Iterable[tuple[str, bytes]]

RETRY_OF: Final = "retry-of"
RETRY_NUMBER: Final = "retry-number"
RETRY_IMPORT: Final = "retry-import"
RETRY_HEADERS: Final = frozenset((RETRY_OF, RETRY_NUMBER, RETRY_IMPORT))
_MOST_DIGITS: Final = 9


class Retry(NamedTuple):
    """A message is the ``number``-th retry of an original, and was the dead letter ``letter_id`` before.

    ``import_id`` is the import that has counted it as failed, "" where none has.
    """

    letter_id: str
    number: int = 1
    import_id: str = ""


def retry_of(headers: Headers) -> Retry | None:
    """Return what the headers tell of a retry; None for a message that is none."""
    held = retry_headers(headers)
    if not held:
        return None  # nearly always
    told = {name: value.decode("utf-8", "replace") for name, value in held}
    if RETRY_OF not in told:
        return None
    number = told.get(RETRY_NUMBER, "")
    readable = number.isascii() and number.isdigit() and len(number) <= _MOST_DIGITS
    return Retry(told[RETRY_OF], max(1, int(number)) if readable else 1, told.get(RETRY_IMPORT, ""))


def retry_headers(headers: Headers) -> list[tuple[str, bytes]]:
    """Return those of the headers that tell of a retry."""
    # Kafka allows a header without a value, and aiokafka hands it on as None.
    return [(name, value or b"") for name, value in headers if name in RETRY_HEADERS]


def with_retry(headers: Headers, letter_id: str, import_id: str = "") -> list[tuple[str, bytes]]:
    """Return the headers with which a dead letter's original is sent again; its trace is a former one."""
    held = list(headers)
    before = retry_of(held)
    number = 1 if before is None else before.number + 1
    own = [(RETRY_OF, letter_id.encode()), (RETRY_NUMBER, str(number).encode())]
    if import_id:
        own.append((RETRY_IMPORT, import_id.encode()))
    return [each for each in as_former(held) if each[0] not in RETRY_HEADERS] + own
