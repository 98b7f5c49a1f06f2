"""A message's span: which ticket it is about, and the headers that carry the trace on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from schemas.codec import peek
from schemas.headers.traces import without_trace
from streams.kafka.messages import Record

if TYPE_CHECKING:
    from opentelemetry.trace import Span


class TicketName(msgspec.Struct):
    """What a message of the pipeline says of its ticket, as far as it can be read."""

    account: str = ""
    ticket_id: int = 0
    version: int = 0
    import_id: str = ""


def ticket_name_of(key: bytes | None, value: bytes | None) -> TicketName:
    """Return which ticket a message is about; what its value does not tell is read from its key."""
    told = peek(value, TicketName) or TicketName()
    account, _, number = (key or b"").decode("utf-8", "replace").rpartition(":")
    if not told.account:
        told.account = account[:100]
    if not told.ticket_id and number.isascii() and number.isdigit() and len(number) < 20:
        told.ticket_id = int(number)
    return told


def describe(span: Span, topic: str, partition: int, told: TicketName) -> None:
    """Say on a span which ticket it is about, and which topic and partition its message is of.

    Kafka's names are those of OpenTelemetry's semantic conventions.
    """
    fields: dict[str, str | int] = {
        "messaging.system": "kafka",
        "messaging.destination.name": topic,
        "messaging.destination.partition.id": str(partition),
        "ticketstream.account": told.account,
        "ticketstream.ticket_id": told.ticket_id,
        "ticketstream.version": told.version,
        "ticketstream.import_id": told.import_id,
    }
    span.set_attributes({name: value for name, value in fields.items() if value not in (0, "")})


def carrying(record: Record, trace_headers: list[tuple[str, bytes]]) -> Record:
    """Return a record with these headers of a trace in place of any others."""
    return record._replace(headers=without_trace(record.headers) + trace_headers)
