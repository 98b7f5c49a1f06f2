"""A collector of traces: takes OTLP over HTTP, as a real one does, and keeps the spans."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


class Kept(NamedTuple):
    """A span as it came, its ids as hexadecimal digits; ``part`` and ``instance`` say who sent it."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    links: frozenset[tuple[str, str]]
    attributes: dict[str, Any]
    error: str
    part: str
    instance: str

    @property
    def ticket(self) -> int:
        """The ticket it is about, 0 for none."""
        return int(self.attributes.get("ticketstream.ticket_id", 0))


class Collector:
    """Listens on a free port until ``stop``."""

    def __init__(self) -> None:
        self._spans: list[Kept] = []
        self._raw: list[bytes] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.path == "/v1/traces"
                collector._take(body)
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Go away: whoever connects is refused."""
        self._server.shutdown()
        self._server.server_close()

    @property
    def spans(self) -> list[Kept]:
        """All spans that have come."""
        return list(self._spans)

    def everything(self) -> bytes:
        """All that was ever sent."""
        return b"".join(self._raw)

    def _take(self, body: bytes) -> None:
        self._raw.append(body)
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            sender = _plain(group.resource.attributes)
            for scope in group.scope_spans:
                self._spans += [_kept(span, sender) for span in scope.spans]


def _kept(span: Any, sender: dict[str, Any]) -> Kept:
    assert sender["service.name"] == "ticketstream"
    return Kept(
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        links=frozenset((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        attributes=_plain(span.attributes),
        error=span.status.message,
        part=sender["ticketstream.part"],
        instance=sender.get("service.instance.id", ""),
    )


def _plain(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
