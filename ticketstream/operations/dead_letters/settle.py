"""Retries and discards dead letters: sends what is to be sent, then writes down what was decided.

A letter stays where it is. What was decided about it follows it on its topic, in its partition; a
retry's is written once Kafka has acknowledged the original, so a retry that was stopped in between
sends it once more, and the pipeline passes the second one by.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Final

import msgspec

from schemas.codec import encode, headers_of
from schemas.errors import PermanentError
from schemas.messages.dead_letters import DeadLetter, DeadLetterVerdict, Verdict
from schemas.topics import DEAD_LETTERS
from streams.kafka.messages import Record
from ticketstream.operations.dead_letters.book import KnownLetter
from ticketstream.operations.dead_letters.retry import sent_again

BATCH_LETTERS: Final = 200
_BATCH_BYTES: Final = 8 * 1024 * 1024

Send = Callable[[Sequence[Record]], Awaitable[object]]
"""Sends records and returns when Kafka has acknowledged all."""


class Settled(msgspec.Struct):
    """What has been done so far; ``impossible`` are letters that stay open, with the reason."""

    done: list[str] = []
    impossible: list[tuple[str, str]] = []


async def retry_letters(
    letters: AsyncIterator[tuple[KnownLetter, DeadLetter]], send: Send, settled: Settled, *, partitions: int
) -> None:
    """Send the originals of these letters again, batch by batch."""
    batch: list[KnownLetter] = []
    records: list[Record] = []
    held = 0

    async def flush() -> None:
        nonlocal held
        await send(records)
        await send([_verdict_record(known, "retried") for known in batch])
        settled.done += [known.letter.id for known in batch]
        batch.clear()
        records.clear()
        held = 0

    async for known, letter in letters:
        try:
            record = sent_again(known, letter, partitions)
        except PermanentError as error:
            settled.impossible.append((letter.id, str(error)))
            continue
        batch.append(known)
        records.append(record)
        held += len(record.value or b"")
        if len(batch) >= BATCH_LETTERS or held >= _BATCH_BYTES:
            await flush()
    if batch:
        await flush()


async def discard_letters(letters: Iterable[KnownLetter], send: Send, settled: Settled) -> None:
    """Write down that these letters need nothing any more, batch by batch."""
    left = list(letters)
    while left:
        batch, left = left[:BATCH_LETTERS], left[BATCH_LETTERS:]
        await send([_verdict_record(known, "discarded") for known in batch])
        settled.done += [known.letter.id for known in batch]


def _verdict_record(known: KnownLetter, kind: Verdict) -> Record:
    verdict = DeadLetterVerdict(dead_letter_id=known.letter.id, verdict=kind, at=time.time())
    return Record(DEAD_LETTERS, known.partition, known.key, encode(verdict), headers_of(verdict))
