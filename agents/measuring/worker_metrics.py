"""The metrics of a worker: gauges read on scrape, gauges that a loop refreshes, and ``/metrics`` itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from agents.app.part import Part
from agents.measuring.sampler import Sampler
from agents.services.ground import Ground
from schemas.messages.imports import ImportRecord
from schemas.settings.load import PREFIX, Settings
from streams.embeddings.prices import USD_PER_MILLION_TOKENS
from streams.metrics import Metrics
from streams.metrics.exposition import Labelled, show_metrics
from streams.metrics.make import Maker


class _Holds(Protocol):
    def oldest(self) -> dict[tuple[str, int], float]: ...


def metrics_of(settings: Settings, make: Maker | None = None) -> Metrics:
    """Return a worker's metrics; ``make`` makes them (benchmarks have their own)."""
    price = settings.embedding.usd_per_million_tokens
    if price is None:
        price = USD_PER_MILLION_TOKENS.get(settings.embedding_model, 0.0)
    return Metrics(make, usd_per_token=price / 1_000_000)


class WorkerMetrics(Part):
    """Shows the metrics where the settings name a port, and keeps them up to date.

    ``engines`` tell of their oldest messages, ``running`` returns the imports that run here.
    """

    def __init__(
        self, ground: Ground, engines: Sequence[_Holds], running: Callable[[], list[ImportRecord]]
    ) -> None:
        self._ground = ground
        self._stopped_at = time.monotonic()
        self._shown = False
        settings, self._state = ground.settings, ground.metrics.state
        self._sampler = Sampler(
            self._state,
            engines=engines,
            tables=ground.tables,
            cluster=settings.cluster,
            account=settings.zendesk.subdomain,
        )
        self._state.show_imports(running)
        self._state.partitions.set(ground.partitions)
        self._state.info.labels(
            settings.embedding_provider, settings.embedding_model, str(settings.embedding_dimensions)
        ).set(1)

    async def open(self) -> None:
        """Listen at the worker's port; one that is taken is logged, and the worker goes on without."""
        settings = self._ground.settings
        if not settings.metrics_port:
            return
        account = settings.zendesk.subdomain or ""
        port = settings.metrics_port + self._ground.number
        try:
            show_metrics(
                Labelled(self._ground.metrics.registry, {"account": account}), settings.metrics_host, port
            )
        except OSError as error:
            structlog.get_logger().error(
                f"the metrics are not shown: set {PREFIX}METRICS_PORT and {PREFIX}METRICS_HOST to where this "
                "worker can listen",
                port=port,
                error=str(error),
            )
            return
        self._shown = True

    async def run(self) -> None:
        """Look every few seconds at what no single message can tell, where somebody can see it."""
        if self._shown:
            await self._sampler.run()

    async def take(self, partitions: frozenset[int], gained: frozenset[int]) -> None:
        """Note that messages of these partitions flow."""
        self._state.rebalances.inc()
        self._state.recovery.observe(time.monotonic() - self._stopped_at)
        self._state.owned.set(len(partitions))
        self._sampler.assigned(partitions)

    async def let_go(self) -> None:
        """Note that the partitions have gone."""
        self._stopped_at = time.monotonic()
        self._state.owned.set(0)
        self._state.polled_at.set(0)
        self._sampler.revoked()
