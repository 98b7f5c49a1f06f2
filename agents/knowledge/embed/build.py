"""Builds the stage embed: provider, calls that gather the texts of many tickets, daily caps, engine."""

from __future__ import annotations

from typing import Final, NamedTuple

from agents.app.part import Intake, Part
from agents.engine.engine import HELD_BYTES, Engine
from agents.knowledge.embed import daily_caps
from agents.knowledge.embed.daily_caps import DailyCaps
from agents.knowledge.embed.stage import STAGE, Embed
from agents.knowledge.parts import PartStore
from agents.services.clients import ProviderPart
from agents.services.engines import MAX_AHEAD, MAX_HELD_MESSAGES, Engines
from agents.services.ground import Ground
from agents.services.quotas import Quotas
from schemas.stages import EMBED
from streams.embeddings.batcher import EmbeddingBatcher
from streams.embeddings.build import build_provider
from streams.embeddings.observe import EmbeddingCall
from streams.limits.daily_caps import caps_of
from streams.weaviate.client import WeaviateConnection
from streams.weaviate.stored_vectors import StoredVectors

BEGIN_CALLS: Final = 4
"""A backfill's embedding calls in flight, to begin with."""
_MAX_HELD_WHEN_CAPPED: Final = 5_000
"""While a daily cap pauses the backfill, embed must hold all of its tickets that lie before live changes, or
it could take in no live change: those on their way when the pause began, some 800, and more when other
workers' partitions come."""
_HELD_BYTES_WHEN_CAPPED: Final = 512 * 1024 * 1024
_BACKFILL_WINDOW_SECONDS: Final = 15.0
"""How long a backfill's texts wait for company: at Zendesk's quotas a full call takes seconds to gather."""


class Embedding(NamedTuple):
    """What was built."""

    stage: Embed
    batcher: EmbeddingBatcher
    engine: Engine
    parts: tuple[Part, ...]
    intake: Intake


def build_caps(ground: Ground) -> DailyCaps | None:
    """Return the daily caps that are set; a local model costs nothing, and has none."""
    caps = caps_of(ground.settings.embedding, ground.partitions)
    if not caps or ground.settings.embedding_provider == "local":
        return None
    return DailyCaps(caps, ground.tables[daily_caps.TABLE], ground.partitions, ground.metrics.services)


def build_embedding(
    ground: Ground,
    quotas: Quotas,
    engines: Engines,
    *,
    caps: DailyCaps | None,
    store: PartStore,
    connection: WeaviateConnection,
    collection: str,
) -> Embedding:
    """Build the embed of a worker that writes to ``collection``."""
    settings = ground.settings
    provider = build_provider(settings)

    def observe(call: EmbeddingCall) -> None:
        ground.calls.embedding(call)
        ground.metrics.services.embedding_called(call)

    batcher = EmbeddingBatcher(
        provider,
        requests=quotas.requests,
        tokens=quotas.tokens,
        quota_unit=settings.embedding.quota_unit,
        max_seconds=_BACKFILL_WINDOW_SECONDS,
        in_flight=BEGIN_CALLS,
        budget=caps,
        observe=observe,
        caller_span=ground.calls.caller_span,
    )
    stage = Embed(
        ground.tables,
        batcher,
        StoredVectors(connection),
        store=store,
        collection=collection,
        dimensions=settings.embedding_dimensions,
    )
    held = MAX_HELD_MESSAGES if caps is None else _MAX_HELD_WHEN_CAPPED
    engine = engines.make(
        STAGE,
        stage.handle,
        working=held,
        held=held,
        held_bytes=HELD_BYTES if caps is None else _HELD_BYTES_WHEN_CAPPED,
        ahead=MAX_AHEAD,
        may_overtake=stage.may_overtake,
    )
    parts = (ProviderPart(provider, remote=settings.embedding_provider != "local"), _BatcherPart(batcher))
    return Embedding(stage, batcher, engine, (*parts, engine), Intake(STAGE, EMBED.reads, engine.put))


class _BatcherPart(Part):
    def __init__(self, batcher: EmbeddingBatcher) -> None:
        self._batcher = batcher

    async def close(self) -> None:
        await self._batcher.close(timeout=1)
