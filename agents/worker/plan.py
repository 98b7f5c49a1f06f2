"""What a worker does: its parts, from the ground up, and where its messages go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from agents.app.faust_app import TicketApp
from agents.app.part import Part, Plan
from agents.app.tables import Tables
from agents.imports.build import build_imports
from agents.imports.progress import ProgressLedger
from agents.knowledge.build import Knowledge, build_knowledge
from agents.knowledge.embed.idle_flush import IdleFlush
from agents.measuring.shown import show_knowledge, show_tickets
from agents.measuring.worker_meter import WorkerMeter
from agents.measuring.worker_metrics import WorkerMetrics, metrics_of
from agents.measuring.worker_state import StateTeller
from agents.services.clients import ProducerPart, TopicsPart, TracingPart
from agents.services.engines import Engines
from agents.services.ground import Ground
from agents.services.quotas import Quotas
from agents.sources.following import Following
from agents.sources.live_part import LivePart
from agents.tickets.build import Tickets, build_tickets
from agents.worker.slot import WorkerSlot
from schemas.settings.load import Settings
from streams.kafka.positions import Positions
from streams.kafka.producer import Producer
from streams.metrics.make import Maker
from streams.sources.zendesk.export_source import ZendeskExport, polling_pause
from streams.telemetry.call_spans import TracedCalls, tracing_of

_FINISH_SECONDS: Final = 10.0
"""So long a worker that stops works on what it has begun."""
_FINISH_SECONDS_WHEN_CAPPED: Final = 2.0
"""What a daily cap holds back cannot be finished now."""

PlanOf = Callable[[TicketApp, Settings, WorkerSlot, Maker | None], Plan]
"""Makes the plan of a worker."""


def whole(app: TicketApp, settings: Settings, slot: WorkerSlot, make: Maker | None = None) -> Plan:
    """Return the plan of a worker that does everything."""
    ground = ground_of(app, settings, slot, make)
    ledger = ProgressLedger(ground.producer, ground.tables, ground.partitions)
    quotas = Quotas(ground)
    engines = Engines(ground, ledger)
    knowledge = build_knowledge(ground, quotas, engines)
    tickets = build_tickets(ground, quotas, engines, knowledge)
    imports = build_imports(ground, knowledge, tickets)
    show_knowledge(ground, quotas, knowledge)
    show_tickets(ground, tickets)
    return Plan(
        intakes=(*tickets.intakes, *knowledge.intakes, *imports.intakes),
        parts=(
            *_lowest(ground),
            ledger,
            *knowledge.parts,
            quotas,
            *tickets.parts,
            *imports.parts,
            *_account_parts(ground, tickets),
            IdleFlush(knowledge.batcher, knowledge.backlog, tickets.backfill),
            WorkerMetrics(ground, (*tickets.engines, *knowledge.engines), imports.owner.running),
            TopicsPart(ground),
        ),
        patience=lambda: _patience(knowledge),
    )


def draining(app: TicketApp, settings: Settings, slot: WorkerSlot, make: Maker | None = None) -> Plan:
    """Return the plan of a worker that only finishes what others have begun.

    It embeds and indexes what lies behind enrich. It takes in no change and no command, follows no account
    and runs no import, so an end is in sight. Whoever starts it looks at the offsets, and stops it.
    """
    ground = ground_of(app, settings, slot, make)
    ledger = ProgressLedger(ground.producer, ground.tables, ground.partitions)
    quotas = Quotas(ground)
    knowledge = build_knowledge(ground, quotas, Engines(ground, ledger))
    show_knowledge(ground, quotas, knowledge)
    return Plan(
        intakes=knowledge.intakes,
        parts=(
            *_lowest(ground),
            ledger,
            *knowledge.parts,
            quotas,
            IdleFlush(knowledge.batcher, knowledge.backlog, None),
            WorkerMetrics(ground, knowledge.engines, list),
            TopicsPart(ground),
        ),
        patience=lambda: _patience(knowledge),
    )


def ground_of(app: TicketApp, settings: Settings, slot: WorkerSlot, make: Maker | None) -> Ground:
    """Return what the parts of a worker stand on; ``make`` makes its metrics (benchmarks have their own)."""
    positions = Positions()
    producer = Producer(settings.cluster, slot.instance_id, app.lease, positions)
    metrics = metrics_of(settings, make)
    tracing = tracing_of(settings, "worker", slot.instance_id)
    return Ground(
        settings=settings,
        app=app,
        name=slot.instance_id,
        number=slot.number,
        positions=positions,
        producer=producer,
        tables=Tables(app, producer, settings.kafka.partitions),
        metrics=metrics,
        meter=WorkerMeter(metrics),
        tracing=tracing,
        calls=TracedCalls(tracing),
    )


def _lowest(ground: Ground) -> tuple[Part, ...]:
    tracing: tuple[Part, ...] = () if ground.tracing is None else (TracingPart(ground.tracing),)
    return (*tracing, ProducerPart(ground.producer, ground.app.lease))


def _account_parts(ground: Ground, tickets: Tickets) -> tuple[Part, ...]:
    """Return what follows the connected account, and tells what it refuses."""
    settings, zendesk = ground.settings, tickets.zendesk
    account = settings.zendesk.subdomain
    if account is None or zendesk is None:
        return ()
    live = Following(
        account,
        ZendeskExport(zendesk, account),
        ground.producer,
        ground.tables,
        partitions=ground.partitions,
        poll_seconds=polling_pause(settings.zendesk),
        tracing=ground.tracing,
        meter=ground.meter,
    )
    teller = StateTeller(
        ground.producer,
        zendesk.troubles.now,
        worker=ground.name,
        account=settings.account,
        partitions=ground.partitions,
    )
    return (LivePart(live.home, live.run), teller)


def _patience(knowledge: Knowledge) -> float:
    return _FINISH_SECONDS_WHEN_CAPPED if knowledge.is_capped() else _FINISH_SECONDS
