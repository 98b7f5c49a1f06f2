"""Where spans go: to an OTLP collector over HTTP, from a thread of their own that nobody waits for."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final
from urllib.parse import urlsplit

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_ON,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

from streams.telemetry.tracing import Tracing

_PATH: Final = "/v1/traces"
_QUEUED_SPANS: Final = 8_192
"""A page of the export brings a thousand spans at once; what is over is dropped."""
_LAST_SPANS_SECONDS: Final = 3.0
_EXPORTER: Final = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
_QUEUE: Final = "opentelemetry.sdk._shared_internal"


def tracing_to(endpoint: str, *, ratio: float, part: str, instance: str = "") -> Tracing:
    """Return a Tracing whose spans go to the collector at ``endpoint`` (with or without ``/v1/traces``).

    ``ratio`` of the traces that begin here are kept, 0 to 1; one that began elsewhere is kept if it was
    there. ``part`` is what runs in this process: ``worker`` or ``serve``. A collector that is away is
    logged once; then spans are dropped until it is back.
    """
    url = endpoint.rstrip("/")
    url = url if url.endswith(_PATH) else url + _PATH
    exporter = LoggingExporter(OTLPSpanExporter(endpoint=url), _shown(url))
    resource = {"service.version": version("ticketstream"), "ticketstream.part": part}
    if instance:
        resource["service.instance.id"] = instance
    # What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say wins.
    standing = Resource.create(resource)
    if str(standing.attributes.get("service.name", "")).startswith("unknown_service"):
        standing = standing.merge(Resource({"service.name": "ticketstream"}))
    provider = TracerProvider(resource=standing, sampler=ParentBased(Linked(ratio)), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=_QUEUED_SPANS))

    def close() -> None:
        # The provider would wait half a minute for a collector that is away.
        last = threading.Thread(target=provider.shutdown, name="last spans", daemon=True)
        last.start()
        last.join(0 if exporter.away else _LAST_SPANS_SECONDS)

    return Tracing(provider.get_tracer("ticketstream", version("ticketstream")), close)


class Linked(Sampler):
    """Keeps what is linked to a kept span (a call for many, a retry), and ``ratio`` of everything else."""

    def __init__(self, ratio: float) -> None:
        self._others = TraceIdRatioBased(ratio)

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Return whether a span that begins a trace is kept."""
        kept = any(link.context.trace_flags.sampled for link in links or ())
        chosen: Sampler = ALWAYS_ON if kept else self._others
        return chosen.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        """Return the sampler's name."""
        return f"Linked({self._others.get_description()})"


class LoggingExporter(SpanExporter):
    """Hands spans on, and says once when they cannot be sent, and when they can again."""

    def __init__(self, exporter: SpanExporter, collector: str) -> None:
        self.away = False
        self._exporter = exporter
        self._collector = collector
        # OpenTelemetry would say it at every attempt, and once more for the spans it drops.
        for name in (_EXPORTER, _QUEUE):
            logging.getLogger(name).addFilter(_WORDS)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans; they are lost when the collector does not take them."""
        result = self._exporter.export(spans)
        away = result is not SpanExportResult.SUCCESS
        if away != self.away:
            self.away = away
            log = structlog.get_logger()
            if away:
                log.warning("traces cannot be sent", collector=self._collector, reason=_WORDS.last)
            else:
                log.info("traces are sent again", collector=self._collector)
        return result

    def shutdown(self) -> None:
        """Give up what is being tried."""
        self._exporter.shutdown()


class _Words(logging.Filter):
    """Keeps the last reason that the exporter gave, and lets no message pass."""

    last = ""

    def filter(self, record: logging.LogRecord) -> bool:
        # Its last message, that it gives up, has no reason in it; those of its attempts have.
        if record.name == _EXPORTER and record.args and not record.msg.endswith("max retries or shutdown."):
            self.last = " ".join(record.getMessage().split())[:300]
        return False


_WORDS: Final = _Words()
"""One for the process: of several filters the first would keep the message from the others."""


def _shown(url: str) -> str:
    """Return an address without a login or query, which may be secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
