"""Messages that nobody can read, for every topic of the pipeline."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.codec import schema_header
from schemas.messages.imports import ImportCommand, StageProgress
from schemas.messages.tickets import EmbeddedTicket, EnrichedTicket, TicketChange
from schemas.topics import BACKFILL, CHANGES, EMBEDDED, ENRICHED, IMPORT_COMMANDS, IMPORT_PROGRESS
from streams.kafka.messages import Record

KINDS: dict[str, type] = {
    CHANGES: TicketChange,
    BACKFILL: TicketChange,
    ENRICHED: EnrichedTicket,
    EMBEDDED: EmbeddedTicket,
    IMPORT_COMMANDS: ImportCommand,
    IMPORT_PROGRESS: StageProgress,
}
"""The topics and what their messages are."""


def unreadable(topic: str, partition: int, key: bytes) -> list[tuple[Record, str]]:
    """Return records that cannot be read, with the error each one gets."""
    right = [schema_header(KINDS[topic])]
    name, version = right[0][0], right[0][1].decode()
    poison: list[tuple[bytes | None, Sequence[tuple[str, bytes]], str]] = [
        (b"\x00\xff\xfe garbage \x80", right, "DecodeError"),
        (b"", right, "DecodeError"),
        (None, right, "DecodeError"),
        (b'{"account": "acme"', right, "DecodeError"),
        (b'{"account": "acme", "ticket_id": "seven"}', right, "DecodeError"),
        (b'{"account": "\xc3\x28"}', right, "DecodeError"),
        (b"[" * 200_000, right, "DecodeError"),
        (b'{"x":' * 50_000 + b"1" + b"}" * 50_000, right, "DecodeError"),
        (b"{}", [(name, b"grocery-list/1")], "UnknownSchemaError"),
        (b"{}", [(name, version.replace("/1", "/99").encode())], "UnknownSchemaError"),
        (b"{}", [(name, b"\xff\xfe"), ("other", b"\x00")], "UnknownSchemaError"),
        (b"{}", [], "UnknownSchemaError"),
    ]
    return [(Record(topic, partition, key, value, list(headers)), error) for value, headers, error in poison]
