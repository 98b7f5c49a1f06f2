"""Spans of OpenTelemetry along the way of a ticket: begun, continued from Kafka headers, shared by many.

Only OpenTelemetry's API is used here; see streams.telemetry.trace_export for where spans go. Whoever has no
Tracing (None) makes no spans: then nothing of OpenTelemetry is even imported. No attribute may hold text of
a ticket.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextvars import Token
from typing import Final

from opentelemetry import context, trace
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from schemas.headers.traces import FORMER, TRACEPARENT, TRACESTATE, Headers

Attributes = Mapping[str, str | int | float | bool]

_FORMAT: Final = TraceContextTextMapPropagator()
_MOST_LINKS: Final = 128
"""What collectors and OpenTelemetry's own limits allow a span."""
_NS: Final = 1_000_000_000


class Tracing:
    """Makes spans with ``tracer``; ``close`` sends what is left."""

    def __init__(self, tracer: trace.Tracer, close: Callable[[], None] = lambda: None) -> None:
        self._tracer = tracer
        self.close = close

    def begin(
        self,
        name: str,
        headers: Headers = (),
        *,
        kind: SpanKind = SpanKind.CONSUMER,
        began: float | None = None,
    ) -> Span:
        """Return a new span: in the trace that the headers name, or else the first of a trace of its own.

        A former trace that the headers name is linked. ``began`` is in Unix seconds; by default now.
        """
        told = _told(headers)
        links = []
        if former := told.get(FORMER):
            before = trace.get_current_span(_FORMAT.extract({TRACEPARENT: former}, context.Context()))
            if before.get_span_context().is_valid:
                links.append(Link(before.get_span_context()))
        return self._tracer.start_span(
            name,
            context=_FORMAT.extract(told, context.Context()),
            kind=kind,
            links=links,
            start_time=None if began is None else int(began * _NS),
        )

    def headers(self, span: Span) -> list[tuple[str, bytes]]:
        """Return the headers that let a message carry on the trace of a span."""
        told: dict[str, str] = {}
        _FORMAT.inject(told, trace.set_span_in_context(span, context.Context()))
        return [(name, value.encode()) for name, value in told.items()]

    def trace_id(self, span: Span) -> str:
        """Return the id of a span's trace, 32 hexadecimal digits."""
        return trace.format_trace_id(span.get_span_context().trace_id)

    def enter(self, span: Span) -> Token[context.Context]:
        """Make a span the current one of this task; returns what ``leave`` takes."""
        return context.attach(trace.set_span_in_context(span))

    def leave(self, token: Token[context.Context]) -> None:
        """Make the span before the current one again."""
        context.detach(token)

    def caller_span(self) -> Span | None:
        """Return the current span, for a call that is made later and for many; None when nobody looks."""
        span = trace.get_current_span()
        return span if span.is_recording() else None

    def called(self, name: str, seconds: float, attributes: Attributes, error: str = "") -> None:
        """Add a call that has just ended to the current span."""
        caller_span = self.caller_span()
        if caller_span is not None:
            self.called_for((caller_span,), name, seconds, attributes, error)

    def called_for(
        self,
        caller_spans: Iterable[Span | None],
        name: str,
        seconds: float,
        attributes: Attributes,
        error: str = "",
    ) -> None:
        """Add a call that has just ended, took ``seconds``, and served all of these spans.

        For one it is part of its trace. For many it is a trace of its own: it is linked to theirs (the
        first 128), and each of theirs to it. ``error`` is a word, "" when it went well.
        """
        spans = list(dict.fromkeys(span for span in caller_spans if span is not None and span.is_recording()))
        if not spans:
            return
        now = time.time_ns()
        alone = len(spans) == 1
        span = self._tracer.start_span(
            name,
            context=trace.set_span_in_context(spans[0], context.Context()) if alone else context.Context(),
            kind=SpanKind.CLIENT,
            attributes=dict(attributes),
            links=[] if alone else [Link(each.get_span_context()) for each in spans[:_MOST_LINKS]],
            start_time=now - int(seconds * _NS),
        )
        if not alone:
            for each in spans:
                each.add_link(span.get_span_context())
        if error:
            fail(span, error)
        span.end(now)


def fail(span: Span, error: str) -> None:
    """Mark a span as failed; ``error`` is the name of a kind of error, never its text."""
    span.set_status(Status(StatusCode.ERROR, error))
    span.set_attribute("error.type", error)


def _told(headers: Headers) -> dict[str, str]:
    return {
        name: value.decode("ascii", "replace")
        for name, value in headers
        if name in (TRACEPARENT, TRACESTATE, FORMER) and value
    }
