"""Builds the stage index: the collections it writes to, batches of many tickets, and the engine."""

from __future__ import annotations

from typing import Final, NamedTuple

import structlog

from agents.app.part import Intake, Part
from agents.engine.engine import Engine
from agents.knowledge.backlog import Backlog
from agents.knowledge.index.resume_points import ResumePoints
from agents.knowledge.index.sinks import Sinks, TakeOvers
from agents.knowledge.index.stage import STAGE, Index
from agents.knowledge.index.writer import BatchedWriter
from agents.knowledge.parts import PartStore
from agents.services.clients import EFFECTS_SECONDS
from agents.services.engines import MAX_HELD_MESSAGES, Engines
from agents.services.ground import Ground
from schemas.errors import RetryableError
from schemas.stages import INDEX
from streams.kafka.lease import Lease
from streams.sinks.weaviate.read_collection_cleanup import FormerCollection
from streams.weaviate.client import WeaviateConnection

_MAX_AHEAD: Final = 1_000
"""How many tickets may be written whose offsets are not acknowledged. Fewer than in other stages: the next
owner of a partition writes every ticket twice that the former one may have begun."""


class Indexing(NamedTuple):
    """What was built."""

    sinks: Sinks
    engine: Engine
    parts: tuple[Part, ...]
    intake: Intake


def build_indexing(
    ground: Ground,
    engines: Engines,
    *,
    store: PartStore,
    backlog: Backlog,
    connection: WeaviateConnection,
    collection: str,
) -> Indexing:
    """Build the index of a worker whose settings ask for ``collection``."""
    account = ground.settings.zendesk.subdomain
    sinks = Sinks(connection, collection, ground.settings.embedding_dimensions, account)

    def write_again(error: RetryableError, attempt: int, wait: float) -> None:
        ground.meter.retried(STAGE)
        structlog.get_logger().warning(
            "trying again", stage=STAGE, error=error, attempt=attempt, wait_seconds=round(wait, 1)
        )

    writer = BatchedWriter(
        sinks.get,
        write_again,
        caller_span=ground.calls.caller_span,
        wrote=ground.calls.weaviate,
        live=backlog.is_live,
    )
    stage = Index(
        ground.tables,
        writer,
        store,
        sinks.empty_accounts,
        FormerCollection(connection),
        begun_span=MAX_HELD_MESSAGES + _MAX_AHEAD,
    )
    ledger = ResumePoints(engines.ledger, ground.tables)
    engine = engines.make(STAGE, stage.handle, ahead=_MAX_AHEAD, ledger=ledger)
    parts = (
        sinks,
        _WriterPart(writer, ground.app.lease),
        TakeOvers(stage, sinks.empty_accounts, account),
        engine,
    )
    return Indexing(sinks, engine, parts, Intake(STAGE, INDEX.reads, engine.put))


class _WriterPart(Part):
    def __init__(self, writer: BatchedWriter, lease: Lease) -> None:
        self._writer = writer
        self._lease = lease

    async def let_go(self) -> None:
        """Have what is being written end, so that the next owner finds it whole."""
        if self._lease.held:
            await self._writer.settle(EFFECTS_SECONDS)
        if not self._lease.held:
            # The next owner may have written newer states already: no older write may reach Weaviate now.
            await self._writer.settle(0)

    async def close(self) -> None:
        await self._writer.close()
