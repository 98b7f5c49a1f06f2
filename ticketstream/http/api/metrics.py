"""The server's metrics, and ``/metrics``."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from starlette.responses import Response

REASONS: Final = ("forged", "test", "stale", "oversized", "malformed", "slow", "cut", "kafka")
"""Why a webhook is refused."""


class WebhookMetrics:
    """Counts of webhooks; each received one is refused, ignored, repeated or produced."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
            return Counter(f"ticketstream_webhooks_{name}", text, labels, registry=registry)

        self.received = counter("received", "Webhooks that came.")
        self.refused = counter("refused", "Webhooks refused, by reason.", ("reason",))
        self.ignored = counter("ignored", "Webhooks that concern no ticket.")
        self.repeated = counter("repeated", "Webhooks dropped because they had come before.")
        self.produced = counter("produced", "Webhooks that became a hint in Kafka.")
        self.seconds = Histogram(
            "ticketstream_webhook_seconds",
            "Time from a webhook's first byte to its answer.",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=registry,
        )
        for reason in REASONS:
            self.refused.labels(reason)


def metrics_router(registry: CollectorRegistry) -> APIRouter:
    """Return the route of ``/metrics``, in Prometheus' text format."""
    router = APIRouter(tags=["operation"])

    text = {"text/plain": {"schema": {"type": "string"}}}

    @router.get("/metrics", response_class=Response, responses={200: {"content": text}})
    async def metrics() -> Response:
        """Metrics for Prometheus."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return router
