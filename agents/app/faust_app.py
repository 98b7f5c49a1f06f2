"""The Faust app: one thin agent a topic, each handing its events to the engine of its stage."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Protocol

import faust
from faust.tables import TableManager

from agents.app import stores, transport
from agents.app.queues import BUFFERED_EVENTS, NeverFull
from schemas.settings.load import Settings
from schemas.topics import APP_ID, BACKFILL, CHANGES, EMBEDDED, ENRICHED, IMPORT_COMMANDS, IMPORT_PROGRESS
from streams.kafka.lease import Lease

_SESSION_SECONDS = 10.0
"""How long a worker that never comes back keeps its partitions."""
_LONGEST_WAIT_SECONDS = 2 * 86_400.0
"""What a daily cap or a service that is away holds back waits that long on purpose; Faust, by itself,
would call a message that is not done after 5 minutes an error, every second."""
_STANDBY_REPLICAS = 1
"""Another worker holds a copy of each table's partition. With two tables of 100,000 keys a failover takes no
longer without one (`python -m benchmarks --only rebalance`); with 500,000 each, reading them takes 7 s
(`--only recovery`)."""


class Takes(Protocol):
    """Whatever takes in events."""

    async def put(self, event: Any) -> None:
        """Take in one event; waits while it is full."""


class Stages(Protocol):
    """What the app hands its events to; started before any event flows."""

    @property
    def enrich_live(self) -> Takes:
        """Takes ``tickets.changes``."""

    @property
    def enrich_backfill(self) -> Takes:
        """Takes ``tickets.backfill``."""

    @property
    def embed(self) -> Takes:
        """Takes ``tickets.enriched``."""

    @property
    def index(self) -> Takes:
        """Takes ``tickets.embedded``."""

    @property
    def imports(self) -> Takes:
        """Takes ``imports.commands`` and ``imports.progress``."""

    async def start(self) -> None:
        """Open clients; called once before the agents start."""


class TicketApp(faust.App):
    """A Faust app that starts its stages first."""

    stages: Stages
    lease: Lease
    stays = False
    """All workers here stop at once, to come back soon: each keeps its partitions meanwhile."""

    def FlowControlQueue(self, maxsize: int | None = None, *, clear_on_resume: bool = False) -> Any:  # noqa: N802
        """Return a buffer: one that never blocks for the stages' topics, Faust's own for the rest."""
        if maxsize != BUFFERED_EVENTS:
            return super().FlowControlQueue(maxsize, clear_on_resume=clear_on_resume)
        return NeverFull(maxsize=0, flow_control=self.flow_control, clear_on_resume=clear_on_resume)

    async def on_first_start(self) -> None:
        """Open the stages' clients, then let Faust go on."""
        await super().on_first_start()
        await self.stages.start()


class _AllTables(TableManager):
    async def on_start(self) -> None:
        # Faust's own waits a second for tables still to be declared; all of a worker's are by now.
        await self._update_channels()
        await self.recovery.start()


def create_app(settings: Settings, folder: Path, instance_id: str | None) -> TicketApp:
    """Return the app of one worker, with its data in ``folder``; topics must exist already.

    Kafka keeps the partitions of a worker with an ``instance_id`` for it while it is away for a moment.
    """
    stores.install()
    app = TicketApp(
        APP_ID,
        broker=[f"kafka://{server.strip()}" for server in settings.bootstrap_servers.split(",")],
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
    _add_agents(app)
    return app


def _add_agents(app: TicketApp) -> None:
    def topic(*names: str) -> Any:
        # Undecoded: what cannot be read must become a dead letter with its bytes.
        raw = {"key_serializer": "raw", "value_serializer": "raw"}
        made = app.topic(*names, key_type=bytes, value_type=bytes, **raw)
        made.maxsize = BUFFERED_EVENTS  # Faust's own ``app.topic`` (0.15.3) takes it and drops it
        return made

    async def enrich_live(stream: Any) -> None:
        async for event in _events(app, stream):
            await app.stages.enrich_live.put(event)

    async def enrich_backfill(stream: Any) -> None:
        async for event in _events(app, stream):
            await app.stages.enrich_backfill.put(event)

    async def embed(stream: Any) -> None:
        async for event in _events(app, stream):
            await app.stages.embed.put(event)

    async def index(stream: Any) -> None:
        async for event in _events(app, stream):
            await app.stages.index.put(event)

    async def imports(stream: Any) -> None:
        async for event in _events(app, stream):
            await app.stages.imports.put(event)

    app.agent(topic(CHANGES))(enrich_live)
    app.agent(topic(BACKFILL))(enrich_backfill)
    app.agent(topic(ENRICHED))(embed)
    app.agent(topic(EMBEDDED))(index)
    app.agent(topic(IMPORT_COMMANDS, IMPORT_PROGRESS))(imports)


async def _events(app: TicketApp, stream: Any) -> AsyncIterator[Any]:
    # Faust's own iterator acknowledges, which is the engine's business (see agents.engine.engine), and gives
    # the event loop a turn for each event, which costs more than all else that is done with it here.
    queue = stream.channel.queue
    while True:
        try:
            event = queue.get_nowait() if not queue.empty() else await queue.get()
        except StopAsyncIteration:
            return  # put there by Faust when the worker stops
        # What a rebalance overtakes comes again, here or elsewhere.
        if app.flow_control.is_active() and event.message.generation_id == app.consumer_generation_id:
            yield event
