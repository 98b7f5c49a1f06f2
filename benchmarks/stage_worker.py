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
from agents.app.tables import Tables
from agents.engine.engine import Engine
from agents.engine.outcomes import Done, Mark
from agents.imports.progress import ProgressLedger
from agents.worker.plan import HELD
from agents.worker.process import main
from agents.worker.slot import WorkerSlot
from schemas.codec import encode, headers_of
from schemas.ids import ticket_key
from schemas.messages.tickets import Origin, TicketChange
from schemas.settings.load import Settings
from schemas.tables import SeenTicket
from schemas.topics import INDEXED
from schemas.versions import Standing, standing
from streams.kafka.messages import Incoming, Record
from streams.kafka.producer import Producer
from streams.metrics import Metrics
from streams.metrics.make import Maker

_LOOK_SECONDS: Final = 0.02


class StageRun(msgspec.Struct, kw_only=True):
    """From the first message taken in to the last one acknowledged; processor seconds of the process."""

    messages: int
    seconds: float
    cpu_seconds: float


class _Acknowledged:
    """Takes the published progress, which nobody needs here."""

    async def put(self, event: Any) -> None:
        event.ack()


class RawStages:
    """Every topic's messages go through the same handler."""

    def __init__(
        self, app: TicketApp, settings: Settings, slot: WorkerSlot, make: Maker | None = None
    ) -> None:
        self._app = app
        self._producer = Producer(settings.bootstrap_servers, slot.instance_id, app.lease)
        self._tables = Tables(app, self._producer, settings.kafka.partitions)
        self._ledger = ProgressLedger(self._producer, self._tables, settings.kafka.partitions)
        self._metrics = Metrics(make)
        self._tasks: list[asyncio.Task[None]] = []
        self.messages = int(sys.argv[1])
        self.imports = _Acknowledged()
        app.on_partitions_revoked.connect(self._revoked)
        app.on_rebalance_complete.connect(self._assigned)
        app.on_before_shutdown.connect(self._shut_down)

    async def start(self) -> None:
        """Connect and make the engines."""
        await self._producer.start()
        self.enrich_live, self.enrich_backfill = self._engine("enrich"), self._engine("enrich")
        self.embed, self.index = self._engine("embed"), self._engine("index")
        self._tasks = [asyncio.create_task(self._ledger.run()), asyncio.create_task(self._measure())]

    def _engine(self, stage: str) -> Engine:
        return Engine(
            stage,
            self._handle,
            app=self._app,
            producer=self._producer,
            tables=self._tables,
            ledger=self._ledger,
            metrics=self._metrics.stage(stage),
            working=HELD,
            held=HELD,
        )

    async def _handle(self, message: Incoming) -> Done:
        change = message.decoded(TicketChange)
        key = ticket_key(change.account, change.ticket_id)
        seen: SeenTicket | None = self._tables["seen"].get(message.partition, key)
        origin = Origin(message.topic, message.partition, message.offset)
        if standing(change.version, "", seen) is not Standing.NEW:
            return Done("skipped", reason="stale", account=change.account, import_id=change.import_id)
        return Done(
            "sent",
            records=[Record(INDEXED, message.partition, key, encode(change), headers_of(change))],
            marks=[Mark("seen", key, SeenTicket(change.version, "", origin, change.changed_at))],
            account=change.account,
            import_id=change.import_id,
        )

    async def _measure(self) -> None:
        # Looked at from outside: what is measured is the engine, not the counting.
        engine, process = self.enrich_backfill, psutil.Process()
        while not engine.arrived:
            await asyncio.sleep(_LOOK_SECONDS)
        began, before = time.monotonic(), sum(process.cpu_times()[:2])
        while sum(engine.released.values()) < self.messages:
            await asyncio.sleep(_LOOK_SECONDS)
        run = StageRun(
            messages=self.messages,
            seconds=time.monotonic() - began,
            cpu_seconds=sum(process.cpu_times()[:2]) - before,
        )
        print(msgspec.json.encode(run).decode(), flush=True)
        os.kill(os.getpid(), signal.SIGTERM)

    @property
    def _engines(self) -> tuple[Engine, ...]:
        return self.enrich_live, self.enrich_backfill, self.embed, self.index

    async def _revoked(self, *_: Any, **__: Any) -> None:
        for engine in self._engines:
            await engine.abandon()

    async def _assigned(self, *_: Any, **__: Any) -> None:
        self._ledger.assigned({tp.partition for tp in self._app.consumer.assignment()})

    async def _shut_down(self, *_: Any, **__: Any) -> None:
        for task in self._tasks:
            task.cancel()
        await self._revoked()
        await self._producer.stop()


if __name__ == "__main__":
    sys.exit(main(stages=RawStages))
