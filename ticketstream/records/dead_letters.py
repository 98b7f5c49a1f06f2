"""Dead letters, as the command line lists and shows them."""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import AsyncIterator, Iterable

import msgspec

from schemas.codec import decode
from schemas.errors import PermanentError, UserError
from schemas.messages import DeadLetter
from schemas.topics import DEAD_LETTERS
from ticketstream.records.reader import TopicReader


class DeadLetterList(msgspec.Struct):
    """All dead letters, newest first, without their originals; ``unreadable`` counts what is none."""

    letters: list[DeadLetter]
    unreadable: int = 0


async def load_dead_letters(bootstrap_servers: str) -> DeadLetterList:
    """Return all dead letters; one that came twice counts once. Raises UnavailableError."""
    letters: dict[str, DeadLetter] = {}
    unreadable = 0
    async for letter in _read(bootstrap_servers):
        if letter is None:
            unreadable += 1
            continue
        # Originals can be 8 MiB each: a list has no use for them.
        letters[letter.id] = msgspec.structs.replace(letter, value=None, headers=[])
    newest_first = sorted(letters.values(), key=lambda letter: letter.failed_at, reverse=True)
    return DeadLetterList(newest_first, unreadable)


async def find_dead_letter(bootstrap_servers: str, letter_id: str) -> DeadLetter:
    """Return one dead letter with its original bytes; raises UserError when there is none of this id."""
    found = None
    async for letter in _read(bootstrap_servers):
        if letter is not None and letter.id == letter_id:
            found = letter
    if found is None:
        raise UserError(f"no dead letter has the id {letter_id!r}: see `ticketstream dead-letters list`")
    return found


async def _read(bootstrap_servers: str) -> AsyncIterator[DeadLetter | None]:
    async with TopicReader(bootstrap_servers, [DEAD_LETTERS]) as reader:
        async for raw in reader.to_end():
            if raw.value is None:
                continue
            try:
                yield decode(DeadLetter, raw.value, raw.headers)
            except PermanentError:
                yield None


def count_reasons(letters: Iterable[DeadLetter]) -> list[tuple[str, str, int]]:
    """Return stage, error type and number, the most frequent first."""
    counts = Counter((letter.stage, letter.error_type) for letter in letters)
    return [(stage, error, number) for (stage, error), number in counts.most_common()]


def original(encoded: str | None) -> bytes | None:
    """Return the bytes behind a dead letter's base64; what is no base64 comes back as it is."""
    if encoded is None:
        return None
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return encoded.encode("utf-8", "replace")
