"""A dead letter as a document of plain values, for ``--json`` and the NDJSON export."""

from __future__ import annotations

from typing import Any

import orjson

from schemas.messages.dead_letters import DeadLetter
from ticketstream.operations.dead_letters.book import KnownLetter, original, original_headers
from ticketstream.operations.imports.summary import moment
from ticketstream.terminal.untrusted import printable_text


def summary(known: KnownLetter) -> dict[str, Any]:
    """Return what is known of a letter, without its original's headers and value."""
    letter = known.letter
    return {
        "id": letter.id,
        "state": known.state,
        "reason": f"{letter.stage}/{letter.error_type}",
        "stage": letter.stage,
        "error_type": letter.error_type,
        "message": letter.message,
        "failed_at": moment(letter.failed_at),
        "ticket_id": known.ticket_id,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "line": letter.line,
        "import_id": letter.import_id or None,
        "key": letter.key,
        "settled_at": moment(known.settled_at),
        "retry_of": known.retry.letter_id if known.retry else None,
        "retries": known.retry.number if known.retry else 0,
        "failed_again_as": known.failed_again_as,
    }


def whole(known: KnownLetter, letter: DeadLetter) -> dict[str, Any]:
    """Return the summary with the original: its bytes in base64, and as text where they are UTF-8.

    The texts are for reading: what could steer a terminal is spelled out in them.
    """
    return summary(known) | {
        "key_text": _text(original(letter.key)),
        "headers": letter.headers,
        "headers_text": [[printable_text(name), _text(value)] for name, value in original_headers(letter)],
        "value": letter.value,
        "value_text": _text(original(letter.value)),
    }


def export_line(known: KnownLetter, letter: DeadLetter) -> bytes:
    """Return the line of a letter in an NDJSON export, with its line end."""
    return orjson.dumps(whole(known, letter), option=orjson.OPT_APPEND_NEWLINE)


def _text(raw: bytes | None) -> str | None:
    if raw is None:
        return None
    try:
        return printable_text(raw.decode("utf-8"), lines=True)
    except UnicodeDecodeError:
        return None
