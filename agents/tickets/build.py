"""Builds the stage enrich: one engine for live changes, one for backfills."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import NamedTuple

from agents.app.part import Intake, Part
from agents.engine.engine import Engine
from agents.engine.misplaced import sending_misplaced_home
from agents.knowledge.build import Knowledge
from agents.services.engines import MAX_AHEAD, Engines
from agents.services.ground import Ground
from agents.services.quotas import Quotas
from agents.services.zendesk import ZendeskPart, zendesk_client
from agents.tickets.enrich import stage as enrich
from agents.tickets.gates import ZendeskGates
from schemas.topics import BACKFILL, CHANGES
from streams.sources.zendesk.client import ZendeskClient
from streams.sources.zendesk.people import People
from streams.sources.zendesk.reader import TicketReader


class Tickets(NamedTuple):
    """What was built; ``zendesk`` and ``people`` are None where no account can be asked."""

    zendesk: ZendeskClient | None
    people: People | None
    gates: ZendeskGates
    engines: tuple[Engine, Engine]
    parts: tuple[Part, ...]
    intakes: tuple[Intake, ...]

    @property
    def backfill(self) -> Engine:
        """The engine of backfills."""
        return self.engines[1]


def build_tickets(ground: Ground, quotas: Quotas, engines: Engines, knowledge: Knowledge) -> Tickets:
    """Build the enrich of a worker."""
    gates = ZendeskGates(quotas.general, knowledge.backlog)
    zendesk = zendesk_client(ground, quotas, gates.answered)
    people = None if zendesk is None else People(zendesk)
    reader = None if zendesk is None or people is None else TicketReader(zendesk, people)
    stage = enrich.Enrich(ground.tables, reader, knowledge.backlog, knowledge.store, ground.positions)
    handler = sending_misplaced_home(stage.handle, ground.partitions)
    locks: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
    live = engines.make(enrich.STAGE, handler, working=gates.by_lane["live"], ahead=MAX_AHEAD, locks=locks)
    backfill = engines.make(
        enrich.STAGE,
        handler,
        working=gates.by_lane["backfill"],
        ahead=MAX_AHEAD,
        locks=locks,
        entry=knowledge.backlog.room_for,
    )
    return Tickets(
        zendesk,
        people,
        gates,
        (live, backfill),
        (*([] if zendesk is None else [ZendeskPart(zendesk)]), backfill, live),
        (Intake("enrich_live", (CHANGES,), live.put), Intake("enrich_backfill", (BACKFILL,), backfill.put)),
    )
