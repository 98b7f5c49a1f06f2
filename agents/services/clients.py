"""The connections that a worker opens once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from agents.app.part import Part
from agents.services.ground import Ground, waiting_to_start
from streams.embeddings.provider import EmbeddingProvider
from streams.kafka.lease import Lease
from streams.kafka.producer import Producer
from streams.kafka.topics import ensure_topics
from streams.retries import retrying
from streams.weaviate.client import WeaviateConnection

if TYPE_CHECKING:
    from streams.telemetry.tracing import Tracing

EFFECTS_SECONDS: Final = 20.0
"""How long partitions that are taken away wait for what is being written; the group waits 60 s for them."""


class ProducerPart(Part):
    """The worker's producer."""

    def __init__(self, producer: Producer, lease: Lease) -> None:
        self._producer = producer
        self._lease = lease

    async def open(self) -> None:
        """Connect, however long Kafka is away."""
        await retrying(self._producer.start, on_retry=waiting_to_start)

    async def let_go(self) -> None:
        """Wait until records have left; without the lease drop them: the partitions are another worker's."""
        if self._lease.held:
            await self._producer.flush(EFFECTS_SECONDS)
        if not self._lease.held:
            self._producer.drop()

    async def close(self) -> None:
        """Disconnect."""
        await self._producer.stop()


class WeaviatePart(Part):
    """The worker's connection to Weaviate."""

    def __init__(self, connection: WeaviateConnection) -> None:
        self._connection = connection

    async def open(self) -> None:
        """Connect, however long Weaviate is away."""
        await retrying(self._connection.open, on_retry=waiting_to_start)

    async def close(self) -> None:
        """Disconnect."""
        await self._connection.close()


class ProviderPart(Part):
    """The embedding provider."""

    def __init__(self, provider: EmbeddingProvider, *, remote: bool) -> None:
        self._provider = provider
        self._remote = remote

    async def run(self) -> None:
        """Load a local model now; else the first tickets of the first import would wait for it."""
        if not self._remote:
            await self._provider.embed(["ready"], "document")

    async def close(self) -> None:
        """Disconnect."""
        await self._provider.close()


class TopicsPart(Part):
    """The topics: made before the app, but partitions may be added while the worker waits for services."""

    def __init__(self, ground: Ground) -> None:
        self._settings = ground.settings

    async def open(self) -> None:
        """Make what is missing."""
        await retrying(lambda: ensure_topics(self._settings), on_retry=waiting_to_start)


class TracingPart(Part):
    """The spans of this worker."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    async def close(self) -> None:
        """Send what has not been sent."""
        await asyncio.to_thread(self._tracing.close)
