"""What every part of a worker stands on, made before all others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from agents.app.faust_app import TicketApp
from agents.app.meter import Meter
from agents.app.tables import Tables
from schemas.errors import RetryableError
from schemas.settings.load import Settings
from streams.kafka.positions import Positions
from streams.kafka.producer import Producer
from streams.metrics import Metrics
from streams.telemetry.call_spans import TracedCalls

if TYPE_CHECKING:
    from streams.telemetry.tracing import Tracing


@dataclass(frozen=True, slots=True)
class Ground:
    """Settings, app and tables of one worker, and whoever is told what it does.

    ``name`` tells workers apart, ``number`` those of one machine. ``tracing`` is None where nobody
    wants spans.
    """

    settings: Settings
    app: TicketApp
    name: str
    number: int
    positions: Positions
    producer: Producer
    tables: Tables
    metrics: Metrics
    meter: Meter
    tracing: Tracing | None
    calls: TracedCalls

    @property
    def partitions(self) -> int:
        """How many partitions there are."""
        return self.settings.kafka.partitions


def waiting_to_start(error: RetryableError, _: int, wait: float) -> None:
    """Log that a worker waits for a service before it starts; given to ``retrying``."""
    structlog.get_logger().warning("waiting to start", error=error, wait_seconds=round(wait, 1))
