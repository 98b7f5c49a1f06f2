"""The metrics of a worker: what is read where it is kept, what is sampled, and ``/metrics`` itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable, Mapping
from functools import partial

import structlog

from agents.app.tables import Tables
from agents.engine.engine import Engine
from agents.imports.owner import Imports
from agents.knowledge.embed.stage import Embed
from agents.measuring.sampler import Sampler
from schemas.errors import DecodeError
from schemas.lanes import Lane
from schemas.settings.load import PREFIX, Settings
from streams.embeddings.batcher import EmbeddingBatcher
from streams.embeddings.prices import USD_PER_MILLION_TOKENS
from streams.limits import QuotaShare
from streams.limits.gate import Gate
from streams.metrics import Metrics
from streams.metrics.exposition import Labelled, show_metrics
from streams.metrics.make import Maker
from streams.sources.zendesk.people import People
from streams.sources.zendesk.troubles import Troubles


class Measuring:
    """A worker's metrics and what keeps them up to date; ``make`` makes them (benchmarks have their own)."""

    def __init__(self, settings: Settings, make: Maker | None = None) -> None:
        price = settings.embedding.usd_per_million_tokens
        if price is None:
            price = USD_PER_MILLION_TOKENS.get(settings.embedding_model, 0.0)
        self.metrics = Metrics(make, usd_per_token=price / 1_000_000)
        self._settings = settings
        self._sampler: Sampler | None = None
        self._stopped_at = time.monotonic()

    def start(
        self, number: int, engines: Iterable[Engine], tables: Tables, imports: Imports
    ) -> list[asyncio.Task[None]]:
        """Show the metrics of the worker of this number, where the settings name a port."""
        settings, state = self._settings, self.metrics.state
        state.show_imports(imports.running)
        state.partitions.set(settings.kafka.partitions)
        state.info.labels(
            settings.embedding_provider, settings.embedding_model, str(settings.embedding_dimensions)
        ).set(1)
        if not settings.metrics_port:
            return []
        account = settings.zendesk.subdomain
        port = settings.metrics_port + number
        try:
            show_metrics(
                Labelled(self.metrics.registry, {"account": account or ""}), settings.metrics_host, port
            )
        except OSError as error:
            structlog.get_logger().error(
                f"the metrics are not shown: set {PREFIX}METRICS_PORT and {PREFIX}METRICS_HOST to where this "
                "worker can listen",
                port=port,
                error=str(error),
            )
            return []
        self._sampler = Sampler(
            state,
            engines=engines,
            tables=tables,
            bootstrap_servers=settings.bootstrap_servers,
            partitions=settings.kafka.partitions,
            account=account,
        )
        return [asyncio.create_task(self._sampler.run())]

    def show_services(
        self, shares: Mapping[tuple[str, str], QuotaShare], people: People | None, embed: Embed
    ) -> None:
        """Show quotas, by service and bucket, and caches."""
        services = self.metrics.services
        for (service, bucket), share in shares.items():
            services.show_quota(service, bucket, share)
        for name, lookups in (people.lookups if people is not None else {}).items():
            services.show_cache(name, partial(getattr, lookups, "hits"), partial(getattr, lookups, "misses"))
        # A vector that the first cache lacks is looked for in Weaviate, and what is not there is embedded.
        services.show_cache(
            "recent_vectors", lambda: embed.from_recent, lambda: embed.from_stored + embed.embedded
        )
        services.show_cache("stored_vectors", lambda: embed.from_stored, lambda: embed.embedded)

    def show_troubles(self, troubles: Troubles, people: People) -> None:
        """Show what Zendesk refuses."""
        self.metrics.services.show_troubles(lambda: {one.kind for one in troubles.now()}, people.refused)

    def show_sizes(self, gates: Mapping[Lane, Gate], batcher: EmbeddingBatcher) -> None:
        """Show what fits itself: tickets at Zendesk by lane, embedding calls at once, texts of a call."""
        services = self.metrics.services
        for lane, gate in gates.items():
            services.most_in_flight.labels("zendesk", lane).set_function(partial(getattr, gate, "size"))
        services.most_in_flight.labels("embedding", "backfill").set_function(lambda: batcher.most_in_flight)
        services.batch_limit.set_function(lambda: batcher.most_texts)

    def revoked(self) -> None:
        """Note that the partitions have gone."""
        self._stopped_at = time.monotonic()
        self.metrics.state.owned.set(0)
        self.metrics.state.polled_at.set(0)
        if self._sampler is not None:
            self._sampler.revoked()

    def assigned(self, partitions: Collection[int]) -> None:
        """Note that messages of these partitions flow."""
        state = self.metrics.state
        state.rebalances.inc()
        state.recovery.observe(time.monotonic() - self._stopped_at)
        state.owned.set(len(partitions))
        if self._sampler is not None:
            self._sampler.assigned(partitions)

    def live_page(self, sent: int, unreadable: int) -> None:
        """Count a page of the export that the live source has passed on."""
        self.metrics.state.polled_at.set_to_current_time()
        self._page("live", sent, unreadable)

    def import_page(self, sent: int, unreadable: int) -> None:
        """Count a page of the export that an import has passed on."""
        self._page("import", sent, unreadable)

    def _page(self, source: str, sent: int, unreadable: int) -> None:
        self.metrics.state.source_sent.labels(source).inc(sent)
        if unreadable:
            self.metrics.stages.dead_letter("source", DecodeError.__name__, unreadable)

    def import_ended(self, status: str) -> None:
        """Count an import that ended."""
        self.metrics.state.imports_ended.labels(status).inc()

    def unreadable_command(self, error: str) -> None:
        """Count a message for imports that became a dead letter."""
        self.metrics.stages.dead_letter("imports", error)

    def retried(self, stage: str) -> None:
        """Count an attempt that is made once more."""
        self.metrics.stages.retried.labels(stage).inc()
