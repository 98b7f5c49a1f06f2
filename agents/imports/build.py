"""Builds what keeps and runs the imports of a worker."""

from __future__ import annotations

from typing import NamedTuple

from agents.app.owned import OwnedPartitions
from agents.app.part import Intake, Part
from agents.imports.bulk_comments import BulkComments
from agents.imports.owner import ImportOwner
from agents.imports.runner import ImportRunner
from agents.knowledge.build import Knowledge
from agents.replays.feed import ReplayFeed
from agents.replays.rebuild import Rebuild
from agents.services.ground import Ground
from agents.tickets.build import Tickets
from schemas.topics import IMPORT_COMMANDS, IMPORT_PROGRESS


class ImportsBuilt(NamedTuple):
    """What was built."""

    owner: ImportOwner
    parts: tuple[Part, ...]
    intakes: tuple[Intake, ...]


def build_imports(ground: Ground, knowledge: Knowledge, tickets: Tickets) -> ImportsBuilt:
    """Build the imports of a worker."""
    settings = ground.settings
    owned = OwnedPartitions()
    bulk = None
    if tickets.zendesk is not None:
        bulk = BulkComments(
            tickets.zendesk,
            ground.producer,
            settings.zendesk,
            partitions=ground.partitions,
            seen=ground.tables["seen"].get,
            owned=owned.now,
        )
    runner = ImportRunner(
        tickets.zendesk,
        ground.producer,
        cluster=settings.cluster,
        replay=ReplayFeed(
            ground.producer,
            cluster=settings.cluster,
            collection=knowledge.collection,
        ),
        rebuild=Rebuild(
            knowledge.connection,
            knowledge.sinks.own,
            collection=knowledge.collection,
            cluster=settings.cluster,
        ),
        bulk=bulk,
        tracing=ground.tracing,
        meter=ground.meter,
    )
    owner = ImportOwner(
        ground.tables,
        ground.producer,
        runner.run,
        partitions=ground.partitions,
        on_cancel=runner.forget_comments_records,
        meter=ground.meter,
    )
    intake = Intake("imports", (IMPORT_COMMANDS, IMPORT_PROGRESS), owner.put)
    return ImportsBuilt(owner, (owned, owner), (intake,))
