"""Follows the pipeline through Kafka: one for a server, however many watch.

Once a second it asks for the offsets of the pipeline's topics; the small topics (receipts, import
records and commands, dead letters, what was spent, the live cursor, resume points) it reads as they grow.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import msgspec
import structlog
from aiokafka import TopicPartition

from schemas.errors import TicketstreamError
from schemas.messages.workers import Trouble
from schemas.objectives import FRESHNESS_SECONDS
from schemas.settings.load import Settings
from schemas.stages import READ_TOPICS, TICKET_TOPICS
from schemas.tables import LiveCursor
from schemas.topics import (
    DEAD_LETTERS,
    IMPORT_COMMANDS,
    INDEXED,
    WORKER_STATES,
    changelog_topic,
)
from streams.kafka.topic_reader import TopicReader
from ticketstream.operations.dead_letters.book import Book
from ticketstream.operations.imports.known import CHANGELOG as IMPORTS
from ticketstream.operations.imports.spending import CHANGELOG as SPENDING
from ticketstream.operations.imports.spending import SpendingBook
from ticketstream.operations.imports.waits import Waits
from ticketstream.operations.watch.flow import Flow
from ticketstream.operations.watch.imports import Imports
from ticketstream.operations.watch.indexed_through import CHANGELOG as RESUME_POINTS
from ticketstream.operations.watch.indexed_through import NEWEST, IndexedThroughBook
from ticketstream.operations.watch.kafka_session import KafkaSession
from ticketstream.operations.watch.lost import LostChanges
from ticketstream.operations.watch.receipts import HISTORY_SECONDS, Point, Receipts
from ticketstream.operations.watch.troubles import AGED_SECONDS, TroubleBook

EVERY_SECONDS: Final = 1.0
_AGAIN_SECONDS: Final = 1.0
_STOP_SECONDS: Final = 2.0
_STALE_SECONDS: Final = 15.0
"""Offsets older than this are nobody's present state, whatever holds the next look up."""
_WORKERS_EVERY: Final = 2
"""Looks at the offsets for one look at the workers."""
_LETTERS_SECONDS: Final = 2.0
"""The letters are counted at most this often: there may be many."""
_SETTLED_SECONDS: Final = 2.0
"""A receipt may be read so much later than the broker took it."""
_CURSORS: Final = changelog_topic("cursors")
_FOLLOWED: Final = (
    INDEXED,
    IMPORTS,
    IMPORT_COMMANDS,
    DEAD_LETTERS,
    SPENDING,
    _CURSORS,
    WORKER_STATES,
    RESUME_POINTS,
)


class Follower:
    """What is known of the pipeline now; ``run`` keeps it up to date.

    ``away`` says why Kafka is not reached, ``""`` when it is. ``workers`` is None until it is known.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.time) -> None:
        self._away = "Kafka has not been reached yet"
        self.workers: int | None = None
        self.open_letters: int | None = None
        self.receipts = Receipts()
        self.imports = Imports()
        self.indexed_through = IndexedThroughBook()
        self.flows: dict[str, Flow] = {}
        self.looked_at: float | None = None
        self._settings = settings
        self._clock = clock
        self._spending = SpendingBook(settings.kafka.partitions)
        self._book = Book()
        self._troubles = TroubleBook(settings.account)
        self.lost = LostChanges(settings.account)
        self._letters_changed = True
        self._letters_at = 0.0
        self._source_read_at: float | None = None
        self._positions: dict[TopicPartition, int] = {}
        self._cursor = msgspec.json.Decoder(LiveCursor)
        self._caught_up = False
        self._new_points: list[Point] = []

    @property
    def away(self) -> str:
        """Why the state is not known now."""
        if not self._away and self.looked_at is not None:
            seconds = self._clock() - self.looked_at
            if seconds > _STALE_SECONDS:
                return f"Kafka has not answered for {seconds:.0f} s"
        return self._away

    @property
    def paused(self) -> str | None:
        """Why embedding waits, None when it does not or nobody can tell."""
        return self._spending.words(self._clock())

    @property
    def trouble(self) -> Trouble | None:
        """What Zendesk refuses the workers, the worst of it; None when it does not, or nobody can tell."""
        return self._troubles.worst(self._clock())

    @property
    def waits(self) -> Waits:
        """Why imports wait."""
        return Waits.made_of(self.paused, self.trouble)

    @property
    def caught_up(self) -> bool:
        """Whether all has been read that had to be read at the start."""
        return self._caught_up

    @property
    def source_seconds(self) -> float | None:
        """How long ago Zendesk's export was last read; None where no worker has written it down."""
        return None if self._source_read_at is None else max(0.0, self._clock() - self._source_read_at)

    def take_points(self) -> list[Point]:
        """Return the history's points that have become complete since the last call."""
        taken, self._new_points = self._new_points, []
        return taken

    def still_seconds(self, now: float) -> float:
        """Return for how long nothing has moved on the topics that hold work; 0 without work.

        What is behind a message that is tried again is done, and has its receipts, before it counts as
        worked off.
        """
        moved = [flow.moved_at for topic, flow in self.flows.items() if flow.backlog and topic != INDEXED]
        if not moved:
            return 0.0
        seen = [at for at in (*moved, self.receipts.last_at) if at]
        return max(0.0, now - max(seen, default=now))

    async def run(self) -> None:
        """Follow for ever, whatever becomes of Kafka."""
        log = structlog.get_logger()
        told = ""
        while True:
            try:
                await self._follow()
            except TicketstreamError as error:
                reason = str(error)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                reason = "the connection to Kafka was cut off"  # by its client; nobody has asked for an end
            except Exception as error:  # or nobody would look again
                log.exception("the pipeline is not followed")
                reason = f"the server cannot follow the pipeline ({type(error).__name__}): see its log"
            if reason != told:
                log.warning("the pipeline is not followed", reason=reason)
                told = reason
            self._lose(reason)
            await asyncio.sleep(_AGAIN_SECONDS)

    def _lose(self, reason: str) -> None:
        self._away = reason
        self.workers = None
        self.flows = {}
        self._caught_up = False

    async def _follow(self) -> None:
        session = KafkaSession(
            self._settings.cluster,
            followed=_FOLLOWED,
            measured=TICKET_TOPICS,
            positions=self._positions,
            since={INDEXED: HISTORY_SECONDS, WORKER_STATES: 2 * AGED_SECONDS},
            last={RESUME_POINTS: NEWEST},
        )
        async with session:
            works = (self._read(session), self._measure(session), self._look_back())
            tasks = [asyncio.create_task(work) for work in works]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            except TicketstreamError as error:
                # Said before anything is closed, which may take its time.
                self._lose(str(error))
                raise
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks, timeout=_STOP_SECONDS)

    async def _read(self, session: KafkaSession) -> None:
        ends = await session.ends()
        while True:
            begun = self._clock()
            for raw in await session.read():
                self._take(raw)
            if not self._caught_up:
                self._caught_up = await session.has_read(ends)
            if self._caught_up:
                self._new_points += self.receipts.complete(begun - _SETTLED_SECONDS)
                self._count_letters()
            await asyncio.sleep(0)

    def _take(self, raw: Any) -> None:
        if raw.topic == INDEXED:
            self.receipts.add(raw, self._clock())
            self.lost.take_receipt(raw)
        elif raw.topic in (IMPORTS, IMPORT_COMMANDS):
            self.imports.add(raw)
        elif raw.topic == DEAD_LETTERS:
            self._book.add(raw)
            self._letters_changed = True
        elif raw.topic == WORKER_STATES:
            self._troubles.add(raw)
        elif raw.topic == SPENDING:
            self._spending.add(raw)
        elif raw.topic == RESUME_POINTS:
            self.indexed_through.add(raw)
        elif raw.key == self._settings.account.encode():
            # With more partitions than before the account's cursor lies in another: older ones tell nothing.
            with suppress(msgspec.MsgspecError):
                read_at = self._cursor.decode(raw.value or b"").updated_at
                self._source_read_at = max(read_at, self._source_read_at or read_at)

    def _count_letters(self) -> None:
        if self._letters_changed and time.monotonic() - self._letters_at >= _LETTERS_SECONDS:
            self._letters_at = time.monotonic()
            self._letters_changed = False
            known = self._book.close()
            self.open_letters = known.states["open"]
            self.lost.take_letters(known.letters)

    async def _look_back(self) -> None:
        """Read receipts from before a live change's letter was known here: one may have made up for it."""
        while True:
            if self._caught_up and (unread := self.lost.unread()) is not None:
                since, letters = unread
                async with TopicReader(self._settings.cluster, [INDEXED], since=since) as reader:
                    async for raw in reader.to_end():
                        self.lost.take_receipt(raw)
                self.lost.read_through(letters)
            await asyncio.sleep(_LETTERS_SECONDS)

    async def _measure(self, session: KafkaSession) -> None:
        now = self._clock()
        flows = {topic: Flow() for topic in TICKET_TOPICS}
        for topic, partitions in (await session.earlier(now)).items():
            for partition, moments in partitions.items():
                flows[topic].before(partition, moments)
        looks = 0
        while True:
            next_look = time.monotonic() + EVERY_SECONDS
            if looks % _WORKERS_EVERY == 0:
                self.workers = await session.workers()
            offsets = await session.offsets()
            now = self._clock()
            for topic, flow in flows.items():
                flow.look(now, offsets.ends[topic], offsets.done[topic])
            self.flows = flows
            self.looked_at = now
            self._away = ""
            self.receipts.note_backlog(now, self.backlog)
            self.imports.look(time.monotonic())
            looks += 1
            await asyncio.sleep(max(0.1, next_look - time.monotonic()))

    @property
    def backlog(self) -> int:
        """Messages that wait for a stage."""
        return sum(self.flows[topic].backlog for topic in READ_TOPICS)

    @property
    def objective(self) -> float:
        """Seconds within which a change should be searchable."""
        return float(FRESHNESS_SECONDS)
