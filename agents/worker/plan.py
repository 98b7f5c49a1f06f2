"""Everything a worker runs, put together: clients, limits, engines, sources, and their life cycle."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import structlog

from agents.app.faust_app import TicketApp
from agents.app.tables import Tables
from agents.engine.engine import HELD_BYTES, Engine, Entry
from agents.engine.misplaced import at_home
from agents.engine.outcomes import Handler
from agents.engine.places import rest
from agents.engine.refused_logins import AGAIN_SECONDS
from agents.engine.settling import Ledger, Locks
from agents.imports.bulk_comments import BulkComments
from agents.imports.owner import Imports
from agents.imports.progress import ProgressLedger
from agents.imports.runner import ImportRunner
from agents.knowledge.backlog import Backlog
from agents.knowledge.embed import daily_caps as spending
from agents.knowledge.embed import stage as embed
from agents.knowledge.embed.daily_caps import DailyCaps
from agents.knowledge.index import stage as index
from agents.knowledge.index.resume_points import ResumePoints
from agents.knowledge.index.writer import BatchedWriter
from agents.knowledge.parts import PartStore
from agents.measuring.worker_metrics import Measuring
from agents.measuring.worker_state import StateTeller
from agents.replays.feed import ReplayFeed
from agents.replays.rebuild import Rebuild
from agents.sources.zendesk_live import LiveSource, polling_pause
from agents.tickets.enrich import stage as enrich
from agents.worker.slot import WorkerSlot
from schemas.errors import CredentialsError, RefusedError, RetryableError, SettingsError, UserError
from schemas.ids import collection_name
from schemas.lanes import Lane
from schemas.settings.load import Settings
from schemas.topics import CHANGES, EMBEDDED, ENRICHED
from streams.embeddings.batcher import EmbeddingBatcher
from streams.embeddings.build import build_provider
from streams.embeddings.observe import EmbeddingCall
from streams.kafka.messages import Incoming
from streams.kafka.part_reader import PartReader
from streams.kafka.partitions import account_partition
from streams.kafka.producer import Producer
from streams.kafka.topics import ensure_topics
from streams.limits import QuotaShare
from streams.limits.daily_caps import caps_of
from streams.limits.gate import Gate
from streams.limits.in_flight import Adaptive
from streams.logins.build import login_for
from streams.metrics.make import Maker
from streams.retries import RetryPolicy, retrying
from streams.sinks.base import Sink
from streams.sinks.weaviate.former import FormerCollection
from streams.sinks.weaviate.sink import WeaviateSink
from streams.sources.zendesk.client import Endpoint, ZendeskClient
from streams.sources.zendesk.people import People
from streams.sources.zendesk.reader import TicketReader
from streams.telemetry.call_spans import TracedCalls, tracing_of
from streams.transforms.chunking import CHUNKER_VERSION
from streams.weaviate.client import connect
from streams.weaviate.contents import Contents
from streams.weaviate.stored_vectors import StoredVectors

_WORKING: Final = 50
"""Tickets in flight at Zendesk, for each lane, to begin with; see Adaptive for how that goes on."""
_MOST_WORKING: Final = 256
"""What a quota of 2,500 calls a minute needs when an answer takes 6 s."""
_EMBEDDING: Final = 4
"""A backfill's embedding calls in flight, to begin with."""
_OVERLOADED: Final = frozenset({0, 429, 500, 502, 503, 504})
"""Zendesk's statuses (0: no answer) that ask for fewer calls at once."""
HELD: Final = 400
_AHEAD: Final = 5_000
"""So many tickets may be done that are not acknowledged, because one before them in their partition is tried
again: a kilobyte or two each. After a crash they come once more, and cost a look into a table."""
_AHEAD_OF_INDEX: Final = 1_000
"""The same for index. Fewer: what a worker may have begun is written twice by the one that takes it over."""
_BACKLOG: Final = HELD
"""No more tickets of a backfill lie between enrich and Weaviate than a stage takes in, so that a live change
is taken in at once; it then overtakes them in embed."""
_BACKLOG_LIVE: Final = 100
"""So many while live changes come, which wait in index for what is before them in Weaviate: enough to fill
an embedding call."""
_HELD_IN_A_PAUSE: Final = 5_000
"""Embed must hold all of a backfill that lies before live changes while a daily cap pauses it: what was on
its way when the pause began, some 800 tickets, more when other workers' partitions come."""
_HELD_BYTES_IN_A_PAUSE: Final = 512 * 1024 * 1024
_DRAIN_SECONDS: Final = 10.0
_LAST_WORDS_SECONDS: Final = 5.0
_EFFECTS_SECONDS: Final = 20.0
"""How long partitions that are taken away wait for what is being written; the group waits 60 s for them."""
_PAUSED_DRAIN_SECONDS: Final = 2.0
_NO_LIMIT: Final = 1e12
_BACKFILL_WINDOW_SECONDS: Final = 15.0
"""How long a backfill's texts wait for company: at Zendesk's quotas a full call takes seconds to gather."""
_IDLE_SECONDS: Final = 0.2
_RESTING: Final = RetryPolicy(sleep=rest)
"""Never gives up; who waits takes no place among those that are worked on."""


class Pipeline:
    """The stages of one worker; see TicketApp for when its methods are called.

    Without ``sources`` it follows no account and runs no import.
    """

    enrich_live: Engine
    enrich_backfill: Engine
    embed: Engine
    index: Engine
    imports: Imports
    _teller: StateTeller | None = None

    def __init__(
        self,
        app: TicketApp,
        settings: Settings,
        slot: WorkerSlot,
        make: Maker | None = None,
        *,
        sources: bool = True,
    ) -> None:
        self._app = app
        self._sources = sources
        self._settings = settings
        self._slot = slot
        self._partitions = settings.kafka.partitions
        self._provider = build_provider(settings)
        self._tracing = tracing_of(settings, "worker", slot.instance_id)
        self._traced = TracedCalls(self._tracing)
        self._measuring = Measuring(settings, make)
        self._metrics = self._measuring.metrics
        self._producer = Producer(settings.bootstrap_servers, slot.instance_id, app.lease)
        self._tables = Tables(app, self._producer, self._partitions)
        self._parts = PartStore(self._tables, self._producer, PartReader(settings.bootstrap_servers))
        self._ledger = ProgressLedger(self._producer, self._tables, self._partitions)
        self._spending = self._daily_caps()
        self._backlog = Backlog(self._producer, _BACKLOG, _BACKLOG_LIVE, self._embedding_paused)
        self._tasks: list[asyncio.Task[None]] = []
        self._live: asyncio.Task[None] | None = None
        self._owned: frozenset[int] = frozenset()
        self._unbegun = False
        app.on_partitions_revoked.connect(self._revoked)
        app.on_rebalance_complete.connect(self._assigned)
        app.on_before_shutdown.connect(self._shut_down)

    async def start(self) -> None:
        """Open the clients and set up the stages."""
        settings = self._settings
        self._general = self._share(settings.zendesk.requests_per_minute)
        # One worker at a time reads an account's export, so its limit is not shared out.
        self._incremental = QuotaShare.whole(settings.zendesk.incremental_requests_per_minute)
        remote = settings.embedding_provider != "local"
        # The local model is read now; else the first tickets of the first import would wait for it.
        reading = [] if remote else [asyncio.create_task(self._read_model())]
        self._requests = self._share(settings.embedding.requests_per_minute if remote else _NO_LIMIT)
        self._tokens = self._share(settings.embedding.tokens_per_minute if remote else _NO_LIMIT)
        # Live changes always find room: only a backfill makes way for what the service refuses.
        self._gates: dict[Lane, Gate] = {
            "live": self._gate(least=_WORKING),
            "backfill": self._gate(least=1),
        }
        self._zendesk = self._connect_zendesk()
        await retrying(self._producer.start, on_retry=_waits)
        self._teller = self._connect_teller()
        self._weaviate = await retrying(
            lambda: connect(settings, self._app.lease.wait, self._metrics.services), on_retry=_waits
        )
        self._sinks: dict[str, Sink] = {}
        collection = collection_name(settings.embedding_model, settings.embedding_dimensions, CHUNKER_VERSION)
        self._collection = collection
        await retrying(lambda: self._open_sink(collection, settings.embedding_dimensions), on_retry=_waits)
        empty = await retrying(lambda: self._empty_accounts(collection), on_retry=_waits)
        self._batcher = EmbeddingBatcher(
            self._provider,
            requests=self._requests,
            tokens=self._tokens,
            quota_unit=settings.embedding.quota_unit,
            max_seconds=_BACKFILL_WINDOW_SECONDS,
            in_flight=_EMBEDDING,
            budget=self._spending,
            observe=self._observe_embedding,
            asker=self._traced.asker,
        )
        self._writer = BatchedWriter(
            self._open_sink,
            self._write_again,
            asker=self._traced.asker,
            wrote=self._traced.weaviate,
            live=self._backlog.is_live,
        )
        people = People(self._zendesk) if self._zendesk else None
        reader = TicketReader(self._zendesk, people) if self._zendesk and people else None
        stage = enrich.Enrich(self._tables, reader, self._backlog, self._parts)
        enriching = at_home(stage.handle, self._partitions)
        locks: Locks = defaultdict(asyncio.Lock)
        self.enrich_live = self._engine(
            enrich.STAGE, enriching, working=self._gates["live"], ahead=_AHEAD, locks=locks
        )
        self.enrich_backfill = self._engine(
            enrich.STAGE,
            enriching,
            working=self._gates["backfill"],
            ahead=_AHEAD,
            locks=locks,
            entry=self._backlog.entry,
        )
        stage.watch(self.enrich_live.arrived, self.enrich_backfill.is_next)
        embedding = embed.Embed(
            self._tables,
            self._batcher,
            StoredVectors(self._weaviate),
            store=self._parts,
            collection=collection,
            dimensions=settings.embedding_dimensions,
        )
        held = HELD if self._spending is None else _HELD_IN_A_PAUSE
        self.embed = self._engine(
            embed.STAGE,
            embedding.handle,
            working=held,
            held=held,
            held_bytes=HELD_BYTES if self._spending is None else _HELD_BYTES_IN_A_PAUSE,
            ahead=_AHEAD,
            may_overtake=embedding.may_overtake,
        )
        former = FormerCollection(self._weaviate)
        self._indexing = index.Index(
            self._tables, self._writer, self._parts, empty, former, begun_span=HELD + _AHEAD_OF_INDEX
        )
        # Of an account that Weaviate knows nothing of, nobody has begun anything.
        self._unbegun = bool(empty)
        self.index = self._engine(
            index.STAGE,
            self._indexing.handle,
            ahead=_AHEAD_OF_INDEX,
            ledger=ResumePoints(self._ledger, self._tables),
        )
        self._backlog.watch(ENRICHED, self.embed.released, self.embed.passed)
        self._backlog.watch(EMBEDDED, self.index.released, self.index.passed)
        runner = ImportRunner(
            self._zendesk,
            self._producer,
            bootstrap_servers=settings.bootstrap_servers,
            partitions=self._partitions,
            replay=ReplayFeed(
                self._producer,
                bootstrap_servers=settings.bootstrap_servers,
                partitions=self._partitions,
                collection=collection,
            ),
            rebuild=Rebuild(
                self._weaviate,
                lambda: self._open_sink(collection, settings.embedding_dimensions),
                collection=collection,
                bootstrap_servers=settings.bootstrap_servers,
                partitions=self._partitions,
            ),
            bulk=self._bulk_comments(),
            running=lambda: self.imports.running(),
            tracing=self._tracing,
            on_page=self._measuring.import_page,
        )
        self.imports = Imports(
            self._tables,
            self._producer,
            runner.run,
            on_cancel=runner.over,
            partitions=self._partitions,
            on_end=self._measuring.import_ended,
            on_dead_letter=self._measuring.unreadable_command,
        )
        quotas = {
            ("zendesk", "general"): self._general,
            ("zendesk", "incremental"): self._incremental,
            ("embedding", "requests"): self._requests,
            ("embedding", "tokens"): self._tokens,
        }
        self._measuring.show_services(quotas, people, embedding)
        if self._zendesk is not None and people is not None:
            self._measuring.show_troubles(self._zendesk.troubles, people)
        self._measuring.show_sizes(self._gates, self._batcher)
        # Once more: the services above may have been waited for, and partitions added meanwhile.
        await retrying(lambda: ensure_topics(settings), on_retry=_waits)
        if self._teller is not None:
            reading.append(asyncio.create_task(self._teller.run()))
        self._tasks = [
            *reading,
            asyncio.create_task(self._ledger.run()),
            asyncio.create_task(self.imports.run_flushes()),
            asyncio.create_task(self._flush_when_idle()),
            *self._measuring.start(self._slot.number, self._engines, self._tables, self.imports),
        ]

    async def _read_model(self) -> None:
        await self._provider.embed(["ready"], "document")

    def _daily_caps(self) -> DailyCaps | None:
        """Return the daily caps that are set; a local model costs nothing, and has none."""
        settings = self._settings
        caps = caps_of(settings.embedding, self._partitions)
        if not caps or settings.embedding_provider == "local":
            return None
        return DailyCaps(caps, self._tables[spending.TABLE], self._partitions, self._metrics.services)

    def _embedding_paused(self) -> bool:
        return self._spending is not None and self._spending.paused()

    def _share(self, per_minute: float) -> QuotaShare:
        return QuotaShare(per_minute, self._partitions, owns=lambda: self._app.lease.held)

    def _gate(self, *, least: int) -> Gate:
        size = Adaptive(_WORKING, least=least, most=max(_WORKING, _MOST_WORKING))
        return Gate(size, waiting=self._waiting_for_quota)

    def _waiting_for_quota(self) -> int | None:
        """Return how many calls wait for Zendesk's quota; None while it is the way behind that is full."""
        return None if self._backlog.is_long() else self._general.waiting

    def _connect_zendesk(self) -> ZendeskClient | None:
        settings = self._settings
        if settings.zendesk.subdomain is None:
            return None  # files can be imported without an account to ask
        try:
            login = login_for(settings)
        except SettingsError as error:
            structlog.get_logger().warning(
                "no Zendesk login: live changes are not followed, comments come from files only",
                reason=error,
            )
            return None
        self._metrics.login.show(login)
        return ZendeskClient(
            settings.zendesk_url,
            login,
            general=self._general,
            incremental=self._incremental,
            retry=_RESTING,
            on_call=self._observe_zendesk,
            # Shorter than the pause of the message that tries again, which is to be let through.
            refused_seconds=AGAIN_SECONDS * 0.8,
            on_retry=lambda *_: self._measuring.retried("enrich"),
        )

    def _connect_teller(self) -> StateTeller | None:
        if self._zendesk is None:
            return None
        return StateTeller(
            self._producer,
            self._zendesk.troubles.now,
            worker=self._slot.instance_id,
            account=self._settings.account,
            partitions=self._partitions,
        )

    def _bulk_comments(self) -> BulkComments | None:
        if self._zendesk is None:
            return None
        return BulkComments(
            self._zendesk,
            self._producer,
            self._settings.zendesk,
            partitions=self._partitions,
            seen=self._tables["seen"].get,
            owned=lambda: self._owned,
        )

    def _write_again(self, error: RetryableError, attempt: int, wait: float) -> None:
        self._measuring.retried("index")
        structlog.get_logger().warning(
            "trying again", stage="index", error=error, attempt=attempt, wait_seconds=round(wait, 1)
        )

    def _observe_zendesk(self, endpoint: Endpoint, status: int, seconds: float) -> None:
        self._metrics.services.zendesk_called(status, seconds)
        if status in _OVERLOADED:
            for gate in self._gates.values():
                gate.refused()
        self._traced.zendesk(endpoint, status, seconds)

    def _observe_embedding(self, call: EmbeddingCall) -> None:
        self._traced.embedding(call)
        self._metrics.services.embedding_called(call)

    async def _open_sink(self, collection: str, dimensions: int) -> Sink:
        sink = self._sinks.get(collection)
        if sink is None:
            sink = WeaviateSink(self._weaviate, collection, dimensions)
            try:
                await sink.setup()
            except CredentialsError:
                raise
            except UserError as error:
                if collection == self._collection:
                    raise
                # A message names somebody else's collection: that is its own fault, and others go on.
                raise RefusedError(str(error)) from error
            self._sinks[collection] = sink
        return sink

    def _engine(
        self,
        stage: str,
        handler: Handler,
        *,
        working: int | Gate = HELD,
        held: int = HELD,
        held_bytes: int = HELD_BYTES,
        ahead: int = 0,
        locks: Locks | None = None,
        may_overtake: Callable[[Incoming], bool] = lambda _: False,
        entry: Entry | None = None,
        ledger: Ledger | None = None,
    ) -> Engine:
        return Engine(
            stage,
            handler,
            app=self._app,
            producer=self._producer,
            tables=self._tables,
            ledger=ledger or self._ledger,
            metrics=self._metrics.stage(stage),
            working=working,
            held=held,
            held_bytes=held_bytes,
            ahead=ahead,
            locks=locks,
            may_overtake=may_overtake,
            entry=entry,
            retry=_RESTING,
            tracing=self._tracing,
        )

    async def _empty_accounts(self, collection: str) -> frozenset[str]:
        """Return the account if Weaviate holds nothing of it.

        From then on the table ``indexed`` knows all there is, and a ticket it does not know needs no
        look-up of left-over chunks.
        """
        account = self._settings.zendesk.subdomain
        if account is None or await Contents(self._weaviate, collection).count_objects(account):
            return frozenset()
        return frozenset({account})

    @property
    def _engines(self) -> tuple[Engine, ...]:
        return (self.enrich_live, self.enrich_backfill, self.embed, self.index)

    async def _revoked(self, *_: Any, **__: Any) -> None:
        self._measuring.revoked()
        self._own(0)
        await self._stop_live()
        await self.imports.revoked()
        for engine in self._engines:
            await engine.abandon()
        self._parts.revoked()
        if self._spending is not None:
            self._spending.revoked()
        await self._end_effects()

    async def _end_effects(self) -> None:
        """Have nothing under way any more when the partitions go, so that their next owner finds it all."""
        if self._app.lease.held:
            await self._writer.settle(_EFFECTS_SECONDS)
            await self._producer.flush(_EFFECTS_SECONDS)
        if not self._app.lease.held:
            # They have gone already, and their new owner may have come further: none of it may still happen.
            await self._writer.settle(0)
            self._producer.drop()
            self._owned = frozenset()

    async def _hand_over(self) -> None:
        """Have other workers take the partitions at once; one that is alone keeps them until it is back."""
        others = self._app.rebalancing or 0 < len(self._owned) < self._partitions
        if self._app.stays or not others:
            return
        with suppress(TimeoutError):  # with Kafka away, the session ends by itself
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                await self._app.consumer.leave()

    async def _assigned(self, *_: Any, **__: Any) -> None:
        partitions = {tp.partition for tp in self._app.consumer.assignment() if tp.topic == CHANGES}
        structlog.get_logger().info("partitions assigned", partitions=sorted(partitions))
        gained = partitions - self._owned
        self._owned = frozenset(partitions)
        if self._spending is not None:
            await self._spending.assigned(partitions)
        self._own(len(partitions))
        self._measuring.assigned(partitions)
        self._ledger.assigned(partitions)
        if not self._unbegun:
            self._indexing.taken_over(gained)
        self._unbegun = False
        if not self._sources:
            return
        self.imports.assigned(partitions)
        await self._stop_live()
        subdomain = self._settings.zendesk.subdomain
        if (
            self._zendesk is not None
            and subdomain is not None
            and account_partition(subdomain, self._partitions) in partitions
        ):
            live = LiveSource(
                subdomain,
                self._zendesk,
                self._producer,
                self._tables,
                partitions=self._partitions,
                poll_seconds=polling_pause(self._settings.zendesk),
                tracing=self._tracing,
                on_page=self._measuring.live_page,
            )
            self._live = asyncio.create_task(_reported(live.run))

    def _own(self, partitions: int) -> None:
        for share in (self._general, self._requests, self._tokens):
            share.own(partitions)

    async def _flush_when_idle(self) -> None:
        """Send what waits for company once nothing more is on its way: a ticket passes in one worker.

        Nor does more come while the way is long with what waits here: no call under way will shorten it.
        """
        while True:
            await asyncio.sleep(_IDLE_SECONDS)
            if not self.enrich_backfill.at_work or (self._backlog.is_long() and not self._batcher.running):
                self._batcher.flush()

    async def _stop_live(self) -> None:
        if self._live is not None:
            self._live.cancel()
            await asyncio.gather(self._live, return_exceptions=True)
            self._live = None

    async def _shut_down(self, *_: Any, **__: Any) -> None:
        """Finish what is in flight, so that nothing has to be done again, and close everything."""
        await self._stop_live()
        self._backlog.open()
        # What a daily cap holds back cannot be finished now.
        seconds = _PAUSED_DRAIN_SECONDS if self._embedding_paused() else _DRAIN_SECONDS
        await asyncio.gather(*(engine.drain(seconds) for engine in self._engines))
        # With Kafka away these would wait for it; what they have to tell is done again then.
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                await self._ledger.publish()
                if self._teller is not None:
                    await self._teller.over()
                await self.imports.flush()
                await self._app.consumer.commit()
        await self.imports.revoked()
        for engine in self._engines:
            await engine.abandon()
        if self._spending is not None:
            self._spending.revoked()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._end_effects()
        await self._hand_over()
        await self._batcher.close(timeout=1)
        await self._writer.close()
        await self._provider.close()
        if self._zendesk is not None:
            await self._zendesk.aclose()
        await self._weaviate.close()
        await self._producer.stop()
        if self._tracing is not None:
            await asyncio.to_thread(self._tracing.close)
        self._slot.release()


def _waits(error: RetryableError, _: int, wait: float) -> None:
    structlog.get_logger().warning("waiting to start", error=error, wait_seconds=round(wait, 1))


async def _reported(run: Callable[[], Any]) -> None:
    """Run for ever: an error nobody foresaw is logged, and the source starts anew from its table."""
    while True:
        try:
            await run()
        except Exception as error:
            structlog.get_logger().error("a source stopped", error=error, exc_info=True)
            await asyncio.sleep(5)
