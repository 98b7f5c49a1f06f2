"""A worker with a stage that asks no service: ``python -m benchmarks.stage_worker MESSAGES``.

App, transport, engine, tables, producer, progress and metrics are those of every worker; only the
handler is its own: decode, look up in a table, encode, send, write to the table. It prints its figures
when so many messages are acknowledged, and ends.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from typing import Any, Final

import msgspec
import psutil

from agents.app.faust_app import TicketApp
from agents.app.part import Intake, Part, Plan
from agents.app.tables import Tables
from agents.engine.outcomes import Mark, Outcome
from agents.imports.progress import ProgressLedger
from agents.services.clients import ProducerPart
from agents.services.engines import Engines
from agents.worker.plan import ground_of
from agents.worker.process import main
from agents.worker.slot import WorkerSlot
from schemas.codec import encode, headers_of
from schemas.ids import ticket_key
from schemas.messages.tickets import Origin, TicketChange
from schemas.settings.load import Settings
from schemas.tables import SeenTicket
from schemas.topics import BACKFILL, CHANGES, EMBEDDED, ENRICHED, IMPORT_COMMANDS, IMPORT_PROGRESS, INDEXED
from schemas.versions import Standing, standing
from streams.kafka.messages import Incoming, Record
from streams.kafka.positions import Positions
from streams.metrics.make import Maker

_LOOK_SECONDS: Final = 0.02
_STAGES: Final = {
    "enrich_live": ("enrich", CHANGES),
    "enrich_backfill": ("enrich", BACKFILL),
    "embed": ("embed", ENRICHED),
    "index": ("index", EMBEDDED),
}


class StageRun(msgspec.Struct, kw_only=True):
    """From the first message taken in to the last one acknowledged; processor seconds of the process."""

    messages: int
    seconds: float
    cpu_seconds: float


class _Stopwatch(Part):
    def __init__(self, positions: Positions, messages: int) -> None:
        self._positions = positions
        self._messages = messages

    async def run(self) -> None:
        # Looked at from outside: what is measured is the engine, not the counting.
        process = psutil.Process()
        while not any(topic == BACKFILL for topic, _ in self._positions.arrived):
            await asyncio.sleep(_LOOK_SECONDS)
        began, before = time.monotonic(), sum(process.cpu_times()[:2])
        while self._released() < self._messages:
            await asyncio.sleep(_LOOK_SECONDS)
        run = StageRun(
            messages=self._messages,
            seconds=time.monotonic() - began,
            cpu_seconds=sum(process.cpu_times()[:2]) - before,
        )
        print(msgspec.json.encode(run).decode(), flush=True)
        os.kill(os.getpid(), signal.SIGTERM)

    def _released(self) -> int:
        released = self._positions.released
        return sum(offset for (topic, _), offset in released.items() if topic == BACKFILL)


class _Handler:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def handle(self, message: Incoming) -> Outcome:
        change = message.decoded(TicketChange)
        key = ticket_key(change.account, change.ticket_id)
        seen: SeenTicket | None = self._tables["seen"].get(message.partition, key)
        origin = Origin(message.topic, message.partition, message.offset)
        if standing(change.version, "", seen) is not Standing.NEW:
            return Outcome("skipped", reason="stale", account=change.account, import_id=change.import_id)
        return Outcome(
            "sent",
            records=[Record(INDEXED, message.partition, key, encode(change), headers_of(change))],
            marks=[Mark("seen", key, SeenTicket(change.version, "", origin, change.changed_at))],
            account=change.account,
            import_id=change.import_id,
        )


async def _acknowledge(event: Any) -> None:
    """Take the published progress, which nobody needs here."""
    event.ack()


def raw(app: TicketApp, settings: Settings, slot: WorkerSlot, make: Maker | None = None) -> Plan:
    """Return the plan of a worker in which every topic's messages go through the same handler."""
    ground = ground_of(app, settings, slot, make)
    ledger = ProgressLedger(ground.producer, ground.tables, ground.partitions)
    engines, handler = Engines(ground, ledger), _Handler(ground.tables)
    made = {name: engines.make(stage, handler.handle) for name, (stage, _) in _STAGES.items()}
    return Plan(
        intakes=(
            *(Intake(name, (topic,), made[name].put) for name, (_, topic) in _STAGES.items()),
            Intake("imports", (IMPORT_COMMANDS, IMPORT_PROGRESS), _acknowledge),
        ),
        parts=(
            ProducerPart(ground.producer, app.lease),
            ledger,
            *made.values(),
            _Stopwatch(ground.positions, int(sys.argv[1])),
        ),
        patience=lambda: 0.0,
    )


if __name__ == "__main__":
    sys.exit(main(plan=raw))
