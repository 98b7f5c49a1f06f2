"""The first spans of traces: each ticket a source puts on a topic gets one, and the call that brought it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from streams.kafka.messages import Record
from streams.telemetry.message_spans import carrying, describe, ticket_name_of

if TYPE_CHECKING:
    from streams.telemetry.tracing import Tracing


@contextmanager
def source_spans(
    tracing: Tracing | None, source: str, began: float, records: Sequence[Record]
) -> Iterator[Sequence[Record]]:
    """Give the records to send inside; their spans end when all are sent, or their sending is given up.

    ``source`` is what brought them: ``poll``, ``import`` or ``webhook``. ``began`` is when it began to,
    in Unix seconds.
    """
    if tracing is None or not records:
        yield records
        return
    from opentelemetry.trace import SpanKind

    took = time.time() - began
    spans = []
    traced = []
    for record in records:
        span = tracing.begin("source", record.headers, kind=SpanKind.PRODUCER, began=began)
        if span.is_recording():
            describe(span, record.topic, record.partition, ticket_name_of(record.key, record.value))
            span.set_attribute("ticketstream.source", source)
        spans.append(span)
        traced.append(carrying(record, tracing.headers(span)))
    tracing.called_for(spans, f"source {source}", took, {"ticketstream.tickets": len(records)})
    try:
        yield traced
    finally:
        for span in spans:
            span.end()
