"""Counts what the parts of a worker tell, as metrics."""

from __future__ import annotations

from agents.app.meter import Meter
from schemas.errors import DecodeError
from streams.metrics import Metrics


class WorkerMeter(Meter):
    """Writes to the metrics of a worker."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def live_page(self, sent: int, unreadable: int) -> None:
        """Count a page of the export that the live source has passed on."""
        self._metrics.state.polled_at.set_to_current_time()
        self._page("live", sent, unreadable)

    def import_page(self, sent: int, unreadable: int) -> None:
        """Count a page of the export that an import has passed on."""
        self._page("import", sent, unreadable)

    def _page(self, source: str, sent: int, unreadable: int) -> None:
        self._metrics.state.source_sent.labels(source).inc(sent)
        if unreadable:
            self._metrics.stages.dead_letter("source", DecodeError.__name__, unreadable)

    def import_ended(self, status: str) -> None:
        """Count an import that ended."""
        self._metrics.state.imports_ended.labels(status).inc()

    def unreadable_command(self, error: str) -> None:
        """Count a message for imports that became a dead letter."""
        self._metrics.stages.dead_letter("imports", error)

    def retried(self, stage: str) -> None:
        """Count an attempt that is made once more."""
        self._metrics.stages.retried.labels(stage).inc()
