"""The Faust app: one thin agent an intake, which hands its events to where the plan says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import faust
from faust.tables import TableManager

from agents.app import stores, transport
from agents.app.lifecycle import Lifecycle
from agents.app.part import Intake, Plan
from agents.app.queues import BUFFERED_EVENTS, NeverFull
from schemas.settings.load import Settings
from schemas.topics import APP_ID
from streams.kafka import clients
from streams.kafka.lease import Lease

_SESSION_SECONDS = 10.0
"""How long a worker that never comes back keeps its partitions."""
_LONGEST_WAIT_SECONDS = 2 * 86_400.0
"""How long a message may wait: a daily cap, or a service that is away, holds messages back on purpose. By
itself Faust logs an error every second once a message is not done after 5 minutes."""
_STANDBY_REPLICAS = 1
"""Another worker holds a copy of each table's partition. With two tables of 100,000 keys a failover takes no
longer without one (`python -m benchmarks --only rebalance`); with 500,000 each, reading them takes 7 s
(`--only recovery`)."""


class TicketApp(faust.App):
    """A Faust app that opens the parts of its plan first."""

    lifecycle: Lifecycle
    lease: Lease
    stays = False
    """Set when all workers here stop together, to come back soon: this one then keeps its partitions."""

    def FlowControlQueue(self, maxsize: int | None = None, *, clear_on_resume: bool = False) -> Any:  # noqa: N802
        """Return a buffer: one that never blocks for the stages' topics, Faust's own for the rest."""
        if maxsize != BUFFERED_EVENTS:
            return super().FlowControlQueue(maxsize, clear_on_resume=clear_on_resume)
        return NeverFull(maxsize=0, flow_control=self.flow_control, clear_on_resume=clear_on_resume)

    async def on_first_start(self) -> None:
        """Open the parts, then let Faust go on."""
        await super().on_first_start()
        await self.lifecycle.open()


class _AllTables(TableManager):
    async def on_start(self) -> None:
        # Faust's own waits a second for tables still to be declared; all of a worker's are by now.
        await self._update_channels()
        await self.recovery.start()


def create_app(
    settings: Settings, folder: Path, instance_id: str | None, plan_of: Callable[[TicketApp], Plan]
) -> TicketApp:
    """Return the app of one worker, with its data in ``folder``; topics must exist already.

    Kafka keeps the partitions of a worker with an ``instance_id`` for it while it is away for a moment.
    ``plan_of`` says what the worker does; the tables of its parts belong to the app that it is given.
    """
    stores.install()
    app = TicketApp(
        APP_ID,
        broker=clients.brokers(settings.cluster),
        store=stores.URL,
        TableManager=_AllTables,
        datadir=folder,
        table_standby_replicas=_STANDBY_REPLICAS,
        topic_partitions=settings.kafka.partitions,
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        consumer_group_instance_id=instance_id,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=256 * 1024,
        broker_session_timeout=_SESSION_SECONDS,
        broker_heartbeat_interval=_SESSION_SECONDS / 4,
        broker_commit_interval=0.5,
        broker_commit_livelock_soft_timeout=_LONGEST_WAIT_SECONDS,
        stream_processing_timeout=_LONGEST_WAIT_SECONDS,
        stream_wait_empty=False,
        worker_redirect_stdouts=False,
        logging_config={"version": 1, "disable_existing_loggers": False},
    )
    app.lease = Lease(_SESSION_SECONDS)
    transport.install(app, app.lease)
    plan = plan_of(app)
    for intake in plan.intakes:
        _add_agent(app, intake)
    app.lifecycle = Lifecycle(app, plan.parts, of_all=settings.kafka.partitions, patience=plan.patience)
    return app


def _add_agent(app: TicketApp, intake: Intake) -> None:
    # Keys and values stay undecoded: a message that cannot be read must become a dead letter with its bytes.
    raw = {"key_serializer": "raw", "value_serializer": "raw"}
    topic = app.topic(*intake.topics, key_type=bytes, value_type=bytes, **raw)
    topic.maxsize = BUFFERED_EVENTS  # ``app.topic`` of Faust 0.15.3 accepts ``maxsize`` and ignores it

    async def hand_on(stream: Any) -> None:
        async for event in _events(app, stream):
            await intake.put(event)

    app.agent(topic, name=f"{__name__}.{intake.name}")(hand_on)


async def _events(app: TicketApp, stream: Any) -> AsyncIterator[Any]:
    # Faust's own iterator acknowledges, which is the engine's business (see agents.engine.engine), and gives
    # the event loop a turn for each event, which costs more than all else that is done with it here.
    queue = stream.channel.queue
    while True:
        try:
            event = queue.get_nowait() if not queue.empty() else await queue.get()
        except StopAsyncIteration:
            return  # put there by Faust when the worker stops
        # A message from before a rebalance is left out: it is read again, here or elsewhere.
        if app.flow_control.is_active() and event.message.generation_id == app.consumer_generation_id:
            yield event
