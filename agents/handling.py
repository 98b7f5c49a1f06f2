"""A message while its stage works on it: what log lines say of it, and its span.

The engine enters it for every message, so nothing is read of the message before a line is logged or a
span is kept.
"""

from __future__ import annotations

import contextvars
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec

from agents.outcomes import Done, Incoming
from agents.producer import Record
from schemas.replays import replay_of
from schemas.traces import unsampled, without_trace

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from streams.tracing import Tracing

_CURRENT: Final[contextvars.ContextVar[Handling]] = contextvars.ContextVar("handling")


class Named(msgspec.Struct):
    """What a message of the pipeline says of its ticket, as far as it can be read."""

    account: str = ""
    ticket_id: int = 0
    version: int = 0
    import_id: str = ""


def named(key: bytes | None, value: bytes | None) -> Named:
    """Return which ticket a message is about; what its value does not tell is read from its key."""
    try:
        told = msgspec.json.decode(value or b"", type=Named)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        told = Named()
    account, _, number = (key or b"").decode("utf-8", "replace").rpartition(":")
    if not told.account:
        told.account = account[:100]
    if not told.ticket_id and number.isascii() and number.isdigit() and len(number) < 20:
        told.ticket_id = int(number)
    return told


def describe(span: Span, topic: str, partition: int, told: Named) -> None:
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


class Handling:
    """Around the work of ``stage`` on ``message``; ``tracing`` is None where nobody looks at traces.

    ``message`` is then what the work is given: its headers name the span of the work.
    """

    __slots__ = ("_open", "_span", "_token", "_tracing", "_unsampled", "message", "stage")

    def __init__(self, stage: str, message: Incoming, tracing: Tracing | None) -> None:
        self.stage = stage
        self.message = message
        self._tracing = tracing
        self._span: Span | None = None
        self._token: Any = None
        self._unsampled = [] if tracing is None else unsampled(message.headers)
        self._open = True

    def __enter__(self) -> Self:
        _CURRENT.set(self)
        if self._tracing is not None and not self._unsampled:
            self._span = self._begin(self._tracing)
            self._token = self._tracing.enter(self._span)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Tasks that were started meanwhile, for others too, inherit it: they are about this message no more.
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
            told = named(message.key, message.value)
            told.import_id = replay_of(message.headers) or told.import_id
            describe(span, message.topic, message.partition, told)
            span.set_attribute("messaging.kafka.offset", message.offset)
        self.message = message._replace(headers=without_trace(message.headers) + tracing.headers(span))
        return span

    def ended(self, done: Done) -> None:
        """Note the outcome; what it sends carries on the trace."""
        if self._tracing is not None and self._span is not None:
            span = self._span
            span.set_attribute("ticketstream.verdict", done.verdict)
            if done.reason:
                span.set_attribute("ticketstream.reason", done.reason)
            if done.verdict == "failed":
                from streams.tracing import fail

                fail(span, done.reason)
            own = self._tracing.headers(span)
            done.records = [carrying(record, own) for record in done.records]
        elif self._unsampled:
            done.records = [carrying(record, self._unsampled) for record in done.records]

    def fields(self) -> dict[str, Any]:
        """Return what a log line says of the message."""
        message = self.message
        told = named(message.key, message.value)
        fields: dict[str, Any] = {
            "stage": self.stage,
            "account": told.account,
            "ticket": told.ticket_id,
            "topic": message.topic,
            "partition": message.partition,
            "offset": message.offset,
        }
        if import_id := replay_of(message.headers) or told.import_id:
            fields["import_id"] = import_id
        if self._tracing is not None and self._span is not None:
            fields["trace_id"] = self._tracing.trace_id(self._span)
        elif self._unsampled:
            fields["trace_id"] = self._unsampled[0][1].split(b"-")[1].decode()
        return fields

    @property
    def is_open(self) -> bool:
        """Whether the work goes on."""
        return self._open


def carrying(record: Record, trace_headers: list[tuple[str, bytes]]) -> Record:
    """Return a record with these headers of a trace in place of any others."""
    return record._replace(headers=without_trace(record.headers) + trace_headers)


def handled_fields() -> dict[str, Any]:
    """Return what is known of the message at hand; empty where none is."""
    handling = _CURRENT.get(None)
    return handling.fields() if handling is not None and handling.is_open else {}
