"""Builds what turns enriched tickets into knowledge: embed, index, and what lies between them and enrich."""

from __future__ import annotations

from typing import Final, NamedTuple

from agents.app.part import Intake, Part
from agents.engine.engine import Engine
from agents.knowledge.backlog import Backlog
from agents.knowledge.embed.build import build_caps, build_embedding
from agents.knowledge.embed.daily_caps import DailyCaps
from agents.knowledge.embed.stage import Embed
from agents.knowledge.index.build import build_indexing
from agents.knowledge.index.sinks import Sinks
from agents.knowledge.parts import PartStore
from agents.services.clients import WeaviatePart
from agents.services.engines import MAX_HELD_MESSAGES, Engines
from agents.services.ground import Ground
from agents.services.quotas import Quotas
from schemas.ids import collection_name
from streams.embeddings.batcher import EmbeddingBatcher
from streams.kafka.part_reader import PartReader
from streams.transforms.chunking import CHUNKER_VERSION
from streams.weaviate.client import WeaviateConnection

_MAX_BACKLOG: Final = MAX_HELD_MESSAGES
"""No more tickets of a backfill lie between enrich and Weaviate than a stage takes in, so that a live change
is taken in at once; it then overtakes them in embed."""
_MAX_BACKLOG_LIVE: Final = 100
"""The limit while live changes come, which wait in index until the tickets before them are in Weaviate:
enough to fill an embedding call."""


class Knowledge(NamedTuple):
    """What was built. ``collection`` is where this worker writes to; ``caps`` is None where none is set."""

    collection: str
    backlog: Backlog
    store: PartStore
    caps: DailyCaps | None
    connection: WeaviateConnection
    sinks: Sinks
    batcher: EmbeddingBatcher
    embedding: Embed
    engines: tuple[Engine, ...]
    parts: tuple[Part, ...]
    intakes: tuple[Intake, ...]

    def is_capped(self) -> bool:
        """Say whether a daily cap holds back what a backfill has to embed."""
        return self.caps is not None and self.caps.paused()


def build_knowledge(ground: Ground, quotas: Quotas, engines: Engines) -> Knowledge:
    """Build embed and index of a worker."""
    settings = ground.settings
    collection = collection_name(settings.embedding_model, settings.embedding_dimensions, CHUNKER_VERSION)
    caps = build_caps(ground)
    backlog = Backlog(
        ground.positions, _MAX_BACKLOG, _MAX_BACKLOG_LIVE, lambda: caps is not None and caps.paused()
    )
    store = PartStore(ground.tables, ground.producer, PartReader(settings.cluster))
    connection = WeaviateConnection(settings, ground.app.lease.wait, ground.metrics.services)
    indexing = build_indexing(
        ground, engines, store=store, backlog=backlog, connection=connection, collection=collection
    )
    embedding = build_embedding(
        ground, quotas, engines, caps=caps, store=store, connection=connection, collection=collection
    )
    return Knowledge(
        collection=collection,
        backlog=backlog,
        store=store,
        caps=caps,
        connection=connection,
        sinks=indexing.sinks,
        batcher=embedding.batcher,
        embedding=embedding.stage,
        engines=(embedding.engine, indexing.engine),
        parts=(
            *([] if caps is None else [caps]),
            WeaviatePart(connection),
            store,
            backlog,
            *indexing.parts,
            *embedding.parts,
        ),
        intakes=(embedding.intake, indexing.intake),
    )
