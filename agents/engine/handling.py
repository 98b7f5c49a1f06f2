"""The context of a message while its stage works on it: the fields of its log lines, and its span.

The engine enters this context for every message, so it reads nothing of the message until a line is logged or
a span is kept.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from agents.engine.outcomes import Outcome
from schemas.headers.traces import without_trace
from streams.kafka.messages import Incoming
from streams.telemetry.at_hand import take_in_hand
from streams.telemetry.message_spans import carrying, describe, ticket_name_of

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from streams.telemetry.tracing import Tracing


class MessageContext:
    """Entered around the work of ``stage`` on ``message``; ``tracing`` is None where no traces are kept.

    Inside, the attribute ``message`` is the one to give to the handler: its headers name the span of the
    work.
    """

    __slots__ = ("_open", "_span", "_token", "_tracing", "_unsampled", "message", "stage")

    def __init__(self, stage: str, message: Incoming, tracing: Tracing | None) -> None:
        self.stage = stage
        self.message = message
        self._tracing = tracing
        self._span: Span | None = None
        self._token: Any = None
        self._unsampled = [] if tracing is None else message.envelope.unsampled
        self._open = True

    def __enter__(self) -> Self:
        take_in_hand(self)
        if self._tracing is not None and not self._unsampled:
            self._span = self._begin(self._tracing)
            self._token = self._tracing.enter(self._span)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A task that was started while this message was handled inherits the context, also one that works for
        # many messages. From now on its log lines must not name this message any more.
        self._open = False
        if self._tracing is not None and self._span is not None:
            self._tracing.leave(self._token)
            if kind is not None:
                self._span.set_attribute("ticketstream.verdict", "abandoned")
            self._span.end()

    def _begin(self, tracing: Tracing) -> Span:
        message = self.message
        span = tracing.begin(self.stage, message.headers)
        if span.is_recording():
            told = ticket_name_of(message.key, message.value)
            told.import_id = message.envelope.replay or told.import_id
            describe(span, message.topic, message.partition, told)
            span.set_attribute("messaging.kafka.offset", message.offset)
        self.message = message._replace(headers=without_trace(message.headers) + tracing.headers(span))
        return span

    def ended(self, done: Outcome) -> None:
        """Note the outcome; what it sends carries on the trace."""
        if self._tracing is not None and self._span is not None:
            span = self._span
            span.set_attribute("ticketstream.verdict", done.verdict)
            if done.reason:
                span.set_attribute("ticketstream.reason", done.reason)
            if done.verdict == "failed":
                from streams.telemetry.tracing import fail

                fail(span, done.reason)
            own = self._tracing.headers(span)
            done.records = [carrying(record, own) for record in done.records]
        elif self._unsampled:
            done.records = [carrying(record, self._unsampled) for record in done.records]

    def fields(self) -> dict[str, Any]:
        """Return what a log line says of the message."""
        message = self.message
        told = ticket_name_of(message.key, message.value)
        fields: dict[str, Any] = {
            "stage": self.stage,
            "account": told.account,
            "ticket": told.ticket_id,
            "topic": message.topic,
            "partition": message.partition,
            "offset": message.offset,
        }
        if import_id := message.envelope.replay or told.import_id:
            fields["import_id"] = import_id
        if self._tracing is not None and self._span is not None:
            fields["trace_id"] = self._tracing.trace_id(self._span)
        elif self._unsampled:
            fields["trace_id"] = self._unsampled[0][1].split(b"-")[1].decode()
        return fields

    @property
    def is_open(self) -> bool:
        """Whether the message is still being worked on."""
        return self._open
