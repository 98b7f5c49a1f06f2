"""Dead letters, and what becomes of them."""

from __future__ import annotations

from typing import Literal

import msgspec

Verdict = Literal["retried", "discarded"]


class DeadLetter(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A message that can never succeed, on ``tickets.dead-letters``, with its original bytes.

    ``key`` and ``value`` are base64 of the original bytes (None where the message had none);
    ``headers`` are name and base64 value, in their order.
    """

    id: str
    stage: str
    topic: str
    partition: int
    offset: int
    key: str | None
    value: str | None
    headers: list[tuple[str, str]]
    error_type: str
    message: str
    failed_at: float
    import_id: str = ""
    line: int | None = None
    """The number of a row of an export file that could not be read; its line's, where each line is a row."""


class DeadLetterVerdict(msgspec.Struct, kw_only=True):
    """What a person decided about a dead letter; it follows the letter on its topic, under the same key.

    A letter is never changed or taken away. A retried one has been sent again, and Kafka has it.
    """

    dead_letter_id: str
    verdict: Verdict
    at: float
