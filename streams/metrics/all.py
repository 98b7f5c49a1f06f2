"""All metrics of a worker."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, ProcessCollector

from streams.metrics.login import LoginMetrics
from streams.metrics.make import Maker
from streams.metrics.services import ServiceMetrics
from streams.metrics.stages import StageMetrics, StageSeries
from streams.metrics.state import StateMetrics


class Metrics:
    """All metrics of a worker, on one registry.

    ``make`` makes them, by default on a registry of their own; ``usd_per_token`` is the price of what is
    embedded.
    """

    def __init__(self, make: Maker | None = None, *, usd_per_token: float = 0.0) -> None:
        make = make or Maker(CollectorRegistry())
        self.registry = make.registry
        self.stages = StageSeries(make)
        self.services = ServiceMetrics(make, usd_per_token)
        self.login = LoginMetrics(make)
        self.state = StateMetrics(make)
        ProcessCollector(namespace="ticketstream", registry=self.registry)

    def stage(self, name: str) -> StageMetrics:
        """Return the metrics of one stage."""
        return StageMetrics(self.stages, name)
