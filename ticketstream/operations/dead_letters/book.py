"""Dead letters and what became of them, read from their topic."""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from collections.abc import AsyncIterator, Collection
from typing import Any, Final, Literal, NamedTuple

import msgspec

from schemas.codec import decode, peek, schema_header
from schemas.errors import NotFoundError, PermanentError
from schemas.headers.retries import Retry, retry_of
from schemas.messages.dead_letters import DeadLetter, DeadLetterVerdict
from schemas.topics import DEAD_LETTERS, IMPORT_COMMANDS, IMPORT_PROGRESS, PIPELINE
from streams.kafka.topic_reader import TopicReader

State = Literal["open", "retried", "discarded"]

_TICKET_KEY: Final = re.compile(rb"[^:]*:(\d{1,19})")


class KnownLetter(msgspec.Struct, kw_only=True):
    """A dead letter without its original's value, and what became of it.

    ``partition``, ``offset`` and ``key`` say where it lies on the topic of the dead letters.
    ``failed_again_as`` holds the ids of the letters that its retries led to.
    """

    letter: DeadLetter
    partition: int
    offset: int
    key: bytes | None
    ticket_id: int | None = None
    version: int = 0
    """Of a change that belongs to no import, as far as its original tells."""
    retry: Retry | None = None
    """Set when the original had been a dead letter before, and was sent again."""
    state: State = "open"
    settled_at: float | None = None
    failed_again_as: list[str] = []


class DeadLetterList(msgspec.Struct):
    """All dead letters, newest first; ``unreadable`` counts what is none that this release can read."""

    letters: list[KnownLetter]
    unreadable: int = 0

    def find(self, letter_id: str) -> KnownLetter:
        """Return one letter; raises NotFoundError when there is none of this id."""
        for known in self.letters:
            if known.letter.id == letter_id:
                return known
        raise NotFoundError(
            f"no dead letter has the id {letter_id!r}: see `ticketstream dead-letters list --flat`"
        )

    @property
    def states(self) -> Counter[State]:
        """How many letters are in each state."""
        return Counter(known.state for known in self.letters)


class _Place(NamedTuple):
    """Where a message lies, and since when (the broker's clock, in milliseconds)."""

    partition: int
    timestamp: int

    def is_before(self, other: _Place | None) -> bool:
        """Say whether it came earlier than what was read of another partition before it.

        A key lies in another partition since there are more of them; within one the order tells.
        """
        return other is not None and self.partition != other.partition and self.timestamp < other.timestamp


class Book:
    """Puts together letters and verdicts in the order in which each partition holds them."""

    def __init__(self) -> None:
        self._letters: dict[str, KnownLetter] = {}
        self._verdicts: dict[str, tuple[DeadLetterVerdict, _Place]] = {}
        self._sourced: dict[str, _Place] = {}
        self._unreadable = 0

    def add(self, raw: Any) -> None:
        """Take in a message of the topic, with its place, time, key, value and headers."""
        if raw.value is None:
            return
        place = _Place(raw.partition, raw.timestamp)
        try:
            if _is_verdict(raw):
                verdict = decode(DeadLetterVerdict, raw.value, raw.headers)
                if not place.is_before(self._sourced.get(verdict.dead_letter_id)):
                    self._verdicts[verdict.dead_letter_id] = verdict, place
                return
            letter = decode(DeadLetter, raw.value, raw.headers)
        except PermanentError:
            self._unreadable += 1
            return
        if letter.topic not in PIPELINE:
            # A file's line or an export's row that was read once more and failed once more. A message
            # of Kafka has one offset: its letter comes twice after a crash only, which changes nothing.
            if place.is_before(self._sourced.get(letter.id)):
                return
            self._sourced[letter.id] = place
            _, decided = self._verdicts.get(letter.id, (None, None))
            if not place.is_before(decided):
                self._verdicts.pop(letter.id, None)
        self._letters[letter.id] = KnownLetter(
            # Originals can have 15 MiB each: a list has no use for them.
            letter=msgspec.structs.replace(letter, value=None),
            partition=raw.partition,
            offset=raw.offset,
            key=raw.key,
            ticket_id=_ticket_of(letter),
            version=0 if letter.import_id else _version_of(letter),
            retry=retry_of(original_headers(letter)),
        )

    def close(self) -> DeadLetterList:
        """Return the letters as they stand, newest first; more may be added, and this asked again."""
        for letter_id, known in self._letters.items():
            known.state, known.settled_at, known.failed_again_as = "open", None, []
            if letter_id in self._verdicts:
                verdict, _ = self._verdicts[letter_id]
                known.state, known.settled_at = verdict.verdict, verdict.at
        for letter_id, known in self._letters.items():
            before = self._letters.get(known.retry.letter_id) if known.retry else None
            if before is None or before is known:
                continue
            before.failed_again_as.append(letter_id)
            if before.state == "open" and known.letter.failed_at >= before.letter.failed_at:
                # Whoever retried it was stopped before its verdict was written.
                before.state, before.settled_at = "retried", known.letter.failed_at
        newest_first = sorted(self._letters.values(), key=lambda known: known.letter.failed_at, reverse=True)
        return DeadLetterList(newest_first, self._unreadable)


async def load_dead_letters(bootstrap_servers: str) -> DeadLetterList:
    """Return all dead letters; one that came twice counts once. Raises UnavailableError."""
    book = Book()
    async with TopicReader(bootstrap_servers, [DEAD_LETTERS]) as reader:
        async for raw in reader.to_end():
            book.add(raw)
    return book.close()


async def find_dead_letter(bootstrap_servers: str, letter_id: str) -> tuple[KnownLetter, DeadLetter]:
    """Return one dead letter, with its original bytes; raises NotFoundError when there is none of this id."""
    known = (await load_dead_letters(bootstrap_servers)).find(letter_id)
    async for found in originals(bootstrap_servers, [known]):
        return found
    raise NotFoundError(f"dead letter {letter_id!r} is no longer on its topic")


async def originals(
    bootstrap_servers: str, chosen: Collection[KnownLetter]
) -> AsyncIterator[tuple[KnownLetter, DeadLetter]]:
    """Yield these letters with their originals, in the order of the topic; holds one at a time."""
    wanted = {(known.partition, known.offset): known for known in chosen}
    places = {partition for partition, _ in wanted}
    if not wanted:
        return
    async with TopicReader(bootstrap_servers, [DEAD_LETTERS], partitions=places) as reader:
        async for raw in reader.to_end():
            known = wanted.pop((raw.partition, raw.offset), None)
            if known is not None:
                yield known, decode(DeadLetter, raw.value, raw.headers)
                if not wanted:
                    return


def original(encoded: str | None) -> bytes | None:
    """Return the bytes behind a dead letter's base64; what is no base64 comes back as it is."""
    if encoded is None:
        return None
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return encoded.encode("utf-8", "replace")


def original_headers(letter: DeadLetter) -> list[tuple[str, bytes]]:
    """Return the headers of a letter's original."""
    return [(name, original(value) or b"") for name, value in letter.headers]


class _Numbers(msgspec.Struct):
    ticket_id: int | None = None
    id: int | None = None


def _is_verdict(raw: Any) -> bool:
    return schema_header(DeadLetterVerdict) in [tuple(header) for header in raw.headers or ()]


class _Version(msgspec.Struct):
    version: int | None = None
    generated_timestamp: int | None = None


def _version_of(letter: DeadLetter) -> int:
    told = peek(original(letter.value), _Version)
    return 0 if told is None else told.version or told.generated_timestamp or 0


def _ticket_of(letter: DeadLetter) -> int | None:
    """Return the ticket a letter's original is about, as far as its key or its value tell."""
    if letter.topic in (IMPORT_COMMANDS, IMPORT_PROGRESS):
        return None
    if match := _TICKET_KEY.fullmatch(original(letter.key) or b""):
        return int(match[1])
    numbers = peek(original(letter.value), _Numbers)
    if numbers is None:
        return None
    return numbers.ticket_id if numbers.ticket_id is not None else numbers.id
