"""Where spans go: what is kept, and that a collector that is away is told once and holds nobody up."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from pydantic import ValidationError

from schemas.settings.load import OTLP_ENDPOINT, Settings
from schemas.settings.tracing import TracingSettings
from streams.telemetry import trace_export
from streams.telemetry.call_spans import tracing_of
from streams.telemetry.trace_export import LoggingExporter, tracing_to
from tests.shared_fixtures import logs
from tests.trace_fixtures import KeptTracing

__all__ = ["logs"]
OK, LOST = SpanExportResult.SUCCESS, SpanExportResult.FAILURE


class Exporter(SpanExporter):
    """Answers as told; with ``waits`` it hangs like a collector that does not answer."""

    def __init__(self, *answers: SpanExportResult, waits: bool = False) -> None:
        self.answers = list(answers)
        self.waits = waits
        self.back = threading.Event()
        self.spans: list[str] = []

    def export(self, spans: Any) -> SpanExportResult:
        if self.waits:
            self.back.wait()
        self.spans += [span.name for span in spans]
        answer = self.answers.pop(0) if self.answers else OK
        if answer is LOST:
            name = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
            logging.getLogger(name).error("Failed to export\nspans: %s", "refused")
        return answer


def test_a_collector_that_is_away_is_told_once_and_so_is_its_return(
    logs: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    LoggingExporter(Exporter(), "http://another:4318/v1/traces")  # keeps no words from the next
    exporter = LoggingExporter(Exporter(OK, LOST, LOST, LOST, OK, OK, LOST), "http://c:4318/v1/traces")
    for _ in range(7):
        exporter.export([])
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [
        ("traces cannot be sent", "warning"),
        ("traces are sent again", "info"),
        ("traces cannot be sent", "warning"),
    ]
    assert (logs[0]["reason"], logs[0]["collector"]) == (
        "Failed to export spans: refused",
        "http://c:4318/v1/traces",
    )
    assert caplog.records == []


@pytest.mark.usefixtures("logs")
@pytest.mark.parametrize("answers", [Exporter(waits=True), Exporter(*[LOST] * 50)])
def test_a_collector_that_is_away_holds_up_neither_spans_nor_the_end(
    monkeypatch: pytest.MonkeyPatch, answers: Exporter
) -> None:
    monkeypatch.setattr(trace_export, "OTLPSpanExporter", lambda **_: answers)
    monkeypatch.setattr(trace_export, "_LAST_SPANS_SECONDS", 0.05)
    tracing = tracing_to("http://c:4318", ratio=1, part="worker")
    for _ in range(20_000):
        tracing.begin("enrich").end()
    tracing.close()  # the collector never answers: whoever waits for it waits for ever
    answers.back.set()


def test_what_is_left_is_sent_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    exporter = Exporter()
    asked: list[str] = []

    def made(endpoint: str) -> Exporter:
        asked.append(endpoint)
        return exporter

    monkeypatch.setattr(trace_export, "OTLPSpanExporter", made)
    for endpoint in ("http://c:4318", "http://c:4318/", "http://c:4318/v1/traces", "https://c/otlp"):
        tracing = tracing_to(endpoint, ratio=1, part="worker", instance="w1")
        tracing.begin("enrich").end()
        tracing.close()
    assert exporter.spans == ["enrich"] * 4
    assert asked == ["http://c:4318/v1/traces"] * 3 + ["https://c/otlp/v1/traces"]


def test_a_login_in_the_address_is_not_shown() -> None:
    shown = trace_export._shown("https://me:secret@c:4318/v1/traces?token=secret")
    assert shown == "https://c:4318/v1/traces"


def test_about_so_many_traces_are_kept_and_their_parts_with_them() -> None:
    here, there = KeptTracing(ratio=0.25), KeptTracing(ratio=0.0)
    kept = 0
    for _ in range(800):
        span = here.begin("source")
        there.begin("enrich", here.headers(span)).end()
        span.end()
        kept += span.is_recording() or span.get_span_context().trace_flags.sampled
    assert 120 < kept < 280
    assert len(here.spans) == len(there.spans) == kept


def test_the_collector_is_ours_or_opentelemetry_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(OTLP_ENDPOINT, raising=False)
    assert Settings().tracing_endpoint is None
    assert tracing_of(Settings(), "worker") is None
    monkeypatch.setenv(OTLP_ENDPOINT, "http://theirs:4318")
    assert Settings().tracing_endpoint == "http://theirs:4318"
    own = TracingSettings(otlp_endpoint="http://ours:4318")
    assert Settings(tracing=own).tracing_endpoint == "http://ours:4318"
    for wrong in (
        {"otlp_endpoint": "ftp://ours:4318"},
        {"sample_ratio": 1.1},
        {"sample_ratio": float("nan")},
    ):
        with pytest.raises(ValidationError):
            TracingSettings(**wrong)  # type: ignore[arg-type]
