"""What traces cost: workers that trace every ticket to a collector, beside workers that trace none."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.figures import Findings, plain
from benchmarks.pipeline import ImportFigures, measured_import
from benchmarks.stack import BenchStack, unlimited
from benchmarks.turns import cost, rates, turn_by_turn
from benchmarks.usage import quiet_down
from schemas.errors import StackError

_TENTH: Final = "one ticket in ten traced"
_RATIOS: Final = {"every ticket traced": "1", _TENTH: "0.1"}
_UNTRACED: Final = "without traces"
_MOST: Final = 5.0

Note = Callable[[str], None]


def run(*, tickets: int, workers: int, note: Note) -> Findings:
    """Import the account with every trace kept, with some and with none, turn by turn."""
    spans: dict[str, list[int]] = {way: [] for way in _RATIOS}

    def import_once(way: str) -> ImportFigures:
        note(f"pipeline, {way}, {tickets:,} tickets, {workers} workers")
        if way == _UNTRACED:
            return _round(tickets, workers, {})
        with _collector() as (endpoint, bodies):
            ratio = {"TRACING__OTLP_ENDPOINT": endpoint, "TRACING__SAMPLE_RATIO": _RATIOS[way]}
            figures = _round(tickets, workers, ratio)
        spans[way].append(sum(map(_spans, bodies)))
        if not spans[way][-1]:
            raise StackError("no span reached the collector")
        return figures

    found = turn_by_turn([*_RATIOS, _UNTRACED], import_once)
    return Findings(
        scenario="tracing",
        figures=[
            *(figure for way in found for figure in rates(found, way)),
            *(
                figure
                for way in _RATIOS
                for figure in cost(found, way, _UNTRACED, most=_MOST if way == _TENTH else None)
            ),
            *(
                plain(f"spans a ticket, {way}", sum(counts) / len(counts) / tickets)
                for way, counts in spans.items()
            ),
        ],
        measured={**found, "spans": spans},
    )


def _round(tickets: int, workers: int, overrides: dict[str, str]) -> ImportFigures:
    with BenchStack(unlimited(tickets), workers=workers, overrides=overrides) as stack:
        stack.start_workers()
        quiet_down(stack.worker_processes())
        return measured_import(stack)


@contextmanager
def _collector() -> Iterator[tuple[str, list[bytes]]]:
    """A collector that keeps what it is sent as it comes: its address, and the bodies."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # the exporter keeps its connection, as with a real collector

        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", bodies
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _spans(body: bytes) -> int:
    groups = ExportTraceServiceRequest.FromString(body).resource_spans
    return sum(len(scope.spans) for group in groups for scope in group.scope_spans)
