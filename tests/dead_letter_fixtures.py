"""Dead letters and their verdicts, as they lie on their topic."""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

from schemas.codec import encode, headers_of
from schemas.headers.retries import with_retry
from schemas.messages.dead_letters import DeadLetter, DeadLetterVerdict, Verdict
from ticketstream.operations.dead_letters.book import Book, DeadLetterList


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


class Raw(NamedTuple):
    """A message as aiokafka hands it out."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
    timestamp: int = 0


def a_letter(number: int = 1, **fields: Any) -> DeadLetter:
    given: dict[str, Any] = {
        "id": f"{number:016x}",
        "stage": "embed",
        "topic": "tickets.enriched",
        "partition": 1,
        "offset": number,
        "key": b64(b"acme:7"),
        "value": b64(b'{"a":[1,2]}'),
        "headers": [("schema", b64(b"enriched-ticket/1"))],
        "error_type": "RefusedError",
        "message": "no [bold]\x1b[31m",
        "failed_at": 1000.0 + number,
    }
    return DeadLetter(**(given | fields))


def a_retry(number: int, before: DeadLetter, **fields: Any) -> DeadLetter:
    """Return the letter that the retry of another one led to."""
    plain = [(name, base64.b64decode(value)) for name, value in before.headers]
    headers = [(name, b64(value)) for name, value in with_retry(plain, before.id, before.import_id)]
    return a_letter(number, **({"topic": "tickets.backfill", "headers": headers} | fields))


def a_verdict(letter: DeadLetter, verdict: Verdict = "retried", at: float = 5000.0) -> DeadLetterVerdict:
    return DeadLetterVerdict(dead_letter_id=letter.id, verdict=verdict, at=at)


def topic_of(*messages: DeadLetter | DeadLetterVerdict, key: bytes | None = b"acme:7") -> list[Raw]:
    """Return the messages as they follow one another in a partition."""
    return [
        Raw(1, offset, key, encode(message), headers_of(message)) for offset, message in enumerate(messages)
    ]


def book_of(*messages: DeadLetter | DeadLetterVerdict, key: bytes | None = b"acme:7") -> DeadLetterList:
    """Return the letters as they stand after these messages."""
    book = Book()
    for raw in topic_of(*messages, key=key):
        book.add(raw)
    return book.close()
