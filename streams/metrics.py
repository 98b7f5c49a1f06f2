"""Metrics, named ``ticketstream_…`` with their unit; every label has few values."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_FAST: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_FRESHNESS: Final = (0.5, 1, 2, 5, 10, 20, 30, 60, 90, 120, 300, 600, 1800, 3600)


class Metrics:
    """All metrics of a process, on one registry."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        labels = ["stage"]

        def counter(name: str, text: str, names: list[str]) -> Counter:
            return Counter(f"ticketstream_{name}", text, names, registry=self.registry)

        self.received = counter("stage_received", "Messages a stage has taken in.", labels)
        self.sent = counter("stage_sent", "Messages whose effect a stage has completed.", labels)
        self.skipped = counter("stage_skipped", "Messages that needed no effect.", [*labels, "reason"])
        self.retried = counter("stage_retried", "Attempts repeated after an error that may pass.", labels)
        self.dead_lettered = counter(
            "stage_dead_lettered", "Messages that can never succeed.", [*labels, "error"]
        )
        self.seconds = Histogram(
            "ticketstream_stage_seconds",
            "Time of one message in a stage's handler, waits included.",
            labels,
            buckets=_FAST,
            registry=self.registry,
        )
        self.freshness = Histogram(
            "ticketstream_freshness_seconds",
            "Time from a live change in Zendesk to being searchable.",
            buckets=_FRESHNESS,
            registry=self.registry,
        )
        self.calls = counter("api_calls", "Calls, by service and how they ended.", ["service", "status"])
        self.limit_wait = counter("rate_limit_wait_seconds", "Time spent waiting for quota.", ["service"])
        self.embedded_texts = counter("embedding_texts", "Texts sent to the embedding provider.", [])
        self.embedded_tokens = counter("embedding_tokens", "Tokens sent, as counted beforehand.", [])
        self.embedding_spent = Gauge(
            "ticketstream_embedding_spent_today",
            "What this worker's partitions have spent of the daily caps since 00:00 UTC.",
            ["unit"],
            registry=self.registry,
        )
        self.embedding_paused = Gauge(
            "ticketstream_embedding_paused",
            "1 while a daily cap is reached and this lane's texts wait for the next day.",
            ["lane"],
            registry=self.registry,
        )
        self.held = Gauge(
            "ticketstream_stage_held",
            "Messages between arrival and acknowledgement.",
            labels,
            registry=self.registry,
        )


class StageMetrics:
    """The metrics of one stage, with the stage's label filled in."""

    def __init__(self, metrics: Metrics, stage: str) -> None:
        self.received = metrics.received.labels(stage)
        self.sent = metrics.sent.labels(stage)
        self.retried = metrics.retried.labels(stage)
        self.seconds = metrics.seconds.labels(stage)
        self.held = metrics.held.labels(stage)
        self._stage = stage
        self._metrics = metrics

    def skipped(self, reason: str) -> None:
        """Count a message that needed no effect."""
        self._metrics.skipped.labels(self._stage, reason).inc()

    def dead_lettered(self, error: str) -> None:
        """Count a message that can never succeed, by the name of its error."""
        self._metrics.dead_lettered.labels(self._stage, error).inc()

    def freshness(self, seconds: float) -> None:
        """Note how old a live change was when it became searchable."""
        self._metrics.freshness.observe(seconds)
