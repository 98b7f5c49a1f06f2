"""Builds what turns enriched tickets into knowledge: embed, index, and what they need of the services."""

from __future__ import annotations

from typing import Final, NamedTuple

import structlog

from agents.app.part import Intake, Part
from agents.engine.engine import HELD_BYTES, Engine
from agents.knowledge.backlog import Backlog
from agents.knowledge.embed import daily_caps
from agents.knowledge.embed import stage as embed
from agents.knowledge.embed.daily_caps import DailyCaps
from agents.knowledge.index import stage as index
from agents.knowledge.index.sinks import Sinks, TakeOvers
from agents.knowledge.index.writer import BatchedWriter
from agents.knowledge.parts import PartStore
from agents.services.clients import EFFECTS_SECONDS, ProviderPart, WeaviatePart
from agents.services.engines import MAX_HELD_MESSAGES, Engines
from agents.services.ground import Ground
from agents.services.quotas import Quotas
from schemas.errors import RetryableError
from schemas.ids import collection_name
from schemas.topics import EMBEDDED, ENRICHED
from streams.embeddings.batcher import EmbeddingBatcher
from streams.embeddings.build import build_provider
from streams.embeddings.observe import EmbeddingCall
from streams.kafka.lease import Lease
from streams.kafka.part_reader import PartReader
from streams.limits.daily_caps import caps_of
from streams.sinks.weaviate.former import FormerCollection
from streams.transforms.chunking import CHUNKER_VERSION
from streams.weaviate.client import WeaviateConnection
from streams.weaviate.stored_vectors import StoredVectors

BEGIN_CALLS: Final = 4
"""A backfill's embedding calls in flight, to begin with."""
MAX_AHEAD: Final = 5_000
"""So many tickets may be done that are not acknowledged, because one before them in their partition is tried
again: a kilobyte or two each. After a crash they come once more, and cost a look into a table."""
_MAX_AHEAD_OF_INDEX: Final = 1_000
"""The same for index. Fewer: what a worker may have begun is written twice by the one that takes it over."""
_MAX_BACKLOG: Final = MAX_HELD_MESSAGES
"""No more tickets of a backfill lie between enrich and Weaviate than a stage takes in, so that a live change
is taken in at once; it then overtakes them in embed."""
_MAX_BACKLOG_LIVE: Final = 100
"""So many while live changes come, which wait in index for what is before them in Weaviate: enough to fill
an embedding call."""
_MAX_HELD_WHEN_CAPPED: Final = 5_000
"""Embed must hold all of a backfill that lies before live changes while a daily cap pauses it: what was on
its way when the pause began, some 800 tickets, more when other workers' partitions come."""
_HELD_BYTES_WHEN_CAPPED: Final = 512 * 1024 * 1024
_BACKFILL_WINDOW_SECONDS: Final = 15.0
"""How long a backfill's texts wait for company: at Zendesk's quotas a full call takes seconds to gather."""


class Knowledge(NamedTuple):
    """What was built. ``collection`` is where this worker writes to; ``caps`` is None where none is set."""

    backlog: Backlog
    store: PartStore
    caps: DailyCaps | None
    batcher: EmbeddingBatcher
    connection: WeaviateConnection
    sinks: Sinks
    collection: str
    embedding: embed.Embed
    engines: tuple[Engine, Engine]
    parts: tuple[Part, ...]
    intakes: tuple[Intake, ...]

    def is_capped(self) -> bool:
        """Say whether a daily cap holds back what a backfill has to embed."""
        return self.caps is not None and self.caps.paused()


def build_knowledge(ground: Ground, quotas: Quotas, engines: Engines) -> Knowledge:
    """Build embed and index of a worker."""
    settings = ground.settings
    dimensions = settings.embedding_dimensions
    collection = collection_name(settings.embedding_model, dimensions, CHUNKER_VERSION)
    account = settings.zendesk.subdomain
    caps = _daily_caps(ground)
    backlog = Backlog(
        ground.positions, _MAX_BACKLOG, _MAX_BACKLOG_LIVE, lambda: caps is not None and caps.paused()
    )
    store = PartStore(ground.tables, ground.producer, PartReader(settings.bootstrap_servers))
    connection = WeaviateConnection(settings, ground.app.lease.wait, ground.metrics.services)
    sinks = Sinks(connection, collection, dimensions, account)
    provider = build_provider(settings)
    batcher = EmbeddingBatcher(
        provider,
        requests=quotas.requests,
        tokens=quotas.tokens,
        quota_unit=settings.embedding.quota_unit,
        max_seconds=_BACKFILL_WINDOW_SECONDS,
        in_flight=BEGIN_CALLS,
        budget=caps,
        observe=lambda call: _observe(ground, call),
        asker=ground.calls.asker,
    )
    writer = BatchedWriter(
        sinks.get,
        lambda error, attempt, wait: _write_again(ground, error, attempt, wait),
        asker=ground.calls.asker,
        wrote=ground.calls.weaviate,
        live=backlog.is_live,
    )
    embedding = embed.Embed(
        ground.tables,
        batcher,
        StoredVectors(connection),
        store=store,
        collection=collection,
        dimensions=dimensions,
    )
    indexing = index.Index(
        ground.tables,
        writer,
        store,
        sinks.empty_accounts,
        FormerCollection(connection),
        begun_span=MAX_HELD_MESSAGES + _MAX_AHEAD_OF_INDEX,
    )
    held = MAX_HELD_MESSAGES if caps is None else _MAX_HELD_WHEN_CAPPED
    embed_engine = engines.make(
        embed.STAGE,
        embedding.handle,
        working=held,
        held=held,
        held_bytes=HELD_BYTES if caps is None else _HELD_BYTES_WHEN_CAPPED,
        ahead=MAX_AHEAD,
        may_overtake=embedding.may_overtake,
    )
    index_engine = engines.make(index.STAGE, indexing.handle, ahead=_MAX_AHEAD_OF_INDEX)
    parts: tuple[Part, ...] = (
        *([] if caps is None else [caps]),
        ProviderPart(provider, remote=settings.embedding_provider != "local"),
        _BatcherPart(batcher),
        WeaviatePart(connection),
        sinks,
        _WriterPart(writer, ground.app.lease),
        store,
        backlog,
        TakeOvers(indexing, sinks.empty_accounts, account),
        index_engine,
        embed_engine,
    )
    return Knowledge(
        backlog,
        store,
        caps,
        batcher,
        connection,
        sinks,
        collection,
        embedding,
        (embed_engine, index_engine),
        parts,
        (Intake("embed", (ENRICHED,), embed_engine.put), Intake("index", (EMBEDDED,), index_engine.put)),
    )


def _daily_caps(ground: Ground) -> DailyCaps | None:
    """Return the daily caps that are set; a local model costs nothing, and has none."""
    caps = caps_of(ground.settings.embedding, ground.partitions)
    if not caps or ground.settings.embedding_provider == "local":
        return None
    return DailyCaps(caps, ground.tables[daily_caps.TABLE], ground.partitions, ground.metrics.services)


def _observe(ground: Ground, call: EmbeddingCall) -> None:
    ground.calls.embedding(call)
    ground.metrics.services.embedding_called(call)


def _write_again(ground: Ground, error: RetryableError, attempt: int, wait: float) -> None:
    ground.meter.retried(index.STAGE)
    structlog.get_logger().warning(
        "trying again", stage=index.STAGE, error=error, attempt=attempt, wait_seconds=round(wait, 1)
    )


class _BatcherPart(Part):
    def __init__(self, batcher: EmbeddingBatcher) -> None:
        self._batcher = batcher

    async def close(self) -> None:
        await self._batcher.close(timeout=1)


class _WriterPart(Part):
    def __init__(self, writer: BatchedWriter, lease: Lease) -> None:
        self._writer = writer
        self._lease = lease

    async def let_go(self) -> None:
        """Have what is being written end, so that the next owner finds it whole."""
        if self._lease.held:
            await self._writer.settle(EFFECTS_SECONDS)
        if not self._lease.held:
            # The next owner may have come further already: none of it may still happen.
            await self._writer.settle(0)

    async def close(self) -> None:
        await self._writer.close()
