"""The consumer of a worker, in place of Faust's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Any, Final

import structlog
from faust.events import Event
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from agents.app.membership import GroupThread
from schemas.codec import is_part

_POLL_SECONDS: Final = 0.05
_YIELD_EVERY: Final = 100
_COPY_SECONDS: Final = 1.0
"""How old a copy of another worker's table may be; whoever takes its partition over reads the rest."""
_BULK_ENTRIES: Final = 100
"""A fetch of so many entries of a changelog likely leaves more: the copies are then read again at once."""


class TicketConsumer(driver.Consumer):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._held_back: set[TP] = set()
        self._sought = False
        self._copies_due = 0.0
        self._fetching = asyncio.Lock()
        self._pressure: dict[TP, tuple[Callable[[], None], Callable[[], None]]] = {}
        super().__init__(*args, **kwargs)

    async def leave(self) -> None:
        """Give the partitions to the other workers; call it once nothing is to be read or committed."""
        await self._thread.leave()

    def _new_consumer_thread(self) -> GroupThread:
        return GroupThread(self, loop=self.loop, beacon=self.beacon)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        self._sought = False
        self._held_back.clear()
        await super().on_partitions_assigned(assigned, generation_id)

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        resumed = set(tps)
        if not self._sought:
            sources = {tp for tp in resumed if not self._is_changelog_tp(tp)}
            self._held_back |= sources
            resumed -= sources
        super().resume_partitions(resumed)

    async def perform_seek(self) -> None:
        # A fetch that ends after the flow was stopped seeks once more, before recovery. Only the seek after
        # recovery, when the flow is on again, makes it safe to let the sources' messages through.
        after_recovery = self.flow_active
        sources = {tp for tp in self._get_active_partitions() if not self._is_changelog_tp(tp)}
        self._held_back |= sources
        super().pause_partitions(sources)
        async with self._fetching:
            await super().perform_seek()
        self._sought = self._sought or after_recovery

    def resume_flow(self) -> None:
        super().resume_flow()
        if self._held_back and self._sought:
            back, self._held_back = self._held_back & self.assignment(), set()
            super().resume_partitions(back)

    async def _wait_next_records(self, timeout: float) -> tuple[Any, set[TP]]:
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        self.not_waiting_next_records.clear()
        try:
            async with self._fetching:
                # Read only after the lock is taken: a seek that had the lock has paused partitions meanwhile.
                active = set(self._get_active_partitions())
                active -= self._not_yet(active)
                if active:
                    return await self._getmany(active_partitions=active, timeout=timeout), active
            await asyncio.sleep(_POLL_SECONDS)
            return {}, active
        finally:
            self.not_waiting_next_records.set()

    def _not_yet(self, active: set[TP]) -> set[TP]:
        """Return the changelogs not to be fetched now: copies of others' tables are read once a second.

        None are left out during recovery, or when there is nothing else to fetch.
        """
        tables = self.app.tables
        copies: set[TP] = tables.recovery.standby_tps
        if tables.recovery.in_recovery or not tables.standbys_ready or active <= copies:
            return set()
        now = time.monotonic()
        if now >= self._copies_due:
            self._copies_due = now + _COPY_SECONDS
            return set()
        return copies

    async def _drain_messages(self, fetcher: Any) -> None:
        try:
            while not (self._stopped.is_set() or fetcher._stopped.is_set()):
                # getmany may return at once each time; without this nothing else would get a turn.
                await asyncio.sleep(0)
                if not self.should_stop:
                    await self._hand_on()
        except self.consumer_stopped_errors:
            if not self.app.should_stop:
                raise
        except asyncio.CancelledError:
            if not self.app.should_stop:
                raise

    async def _hand_on(self) -> None:
        records, _ = await self._wait_next_records(_POLL_SECONDS)
        if not records or self.should_stop:
            return
        if not self.flow_active:
            await self._seek_what_came_too_late()
            return
        generation = self.app.consumer_generation_id

        def overtaken() -> bool:  # by a rebalance: then the messages are read again, here or elsewhere
            return not self.flow_active or bool(self.app.consumer_generation_id != generation)

        sources: dict[TP, Any] = {}
        for place, fetched in records.items():
            tp = TP(place.topic, place.partition)  # aiokafka's own kind would upset Faust
            if not self._is_changelog_tp(tp):
                self._note_position(tp)
                sources[tp] = fetched
                continue
            for record in self._followed(tp, fetched):
                await self._hand_on_one(tp, record)
                if overtaken():
                    return
        # Partitions take turns. Messages of one partition leave a stage in order: if a stage held only those
        # of one partition, a slow message would stop all of its work.
        for number, (tp, record) in enumerate(self.scheduler.iterate(sources), 1):
            if not self._handed_on_at_once(tp, record):
                await self._hand_on_one(tp, record)
            if number % _YIELD_EVERY == 0:
                await asyncio.sleep(0)
            if overtaken():
                return

    async def _seek_what_came_too_late(self) -> None:
        try:
            await self.perform_seek()
        except Exception as error:
            structlog.get_logger().warning("not sought while the flow is stopped", error=error)

    def _note_position(self, tp: TP) -> None:
        """Tell Faust's monitor what Faust's own loops tell it for every message."""
        monitor = self.app.monitor
        monitor.track_tp_end_offset(tp, self.highwater(tp))
        monitor.stream_inbound_time[tp] = time.monotonic()

    def _followed(self, tp: TP, fetched: Sequence[Any]) -> Sequence[Any]:
        """Write what was read of a changelog to its table; returns the records Faust has to hear of."""
        table = self.app.tables.recovery.tp_to_table.get(tp)
        if table is None:
            return fetched
        table.data.follow(tp, fetched)
        if len(fetched) >= _BULK_ENTRIES:
            self._copies_due = 0.0
        return fetched[-1:]

    def _handed_on_at_once(self, tp: TP, record: Any) -> bool:
        """Hand a message on if it follows the last one and nothing bars its way; returns whether it did.

        Nearly all messages take this way, so each check and each object here is paid for every message.
        """
        offset = record.offset
        if offset - 1 != self._read_offset[tp] or not self.app.flow_control.is_active():
            return False
        channels = self.app.topics._tp_index[tp]
        if any(channel.queue.full() for channel in channels):
            return False
        self._deliver(tp, self._to_message(tp, record), channels)
        self._read_offset[tp] = offset
        return True

    def _to_message(self, tp: TP, record: Any) -> Any:
        message = super()._to_message(tp, record)
        if is_part(record.headers):
            # The parts of one ticket can be hundreds of megabytes, so they are not kept in memory: a stage
            # reads them from the topic when the ticket's closing message comes.
            message.value = None
        return message

    async def _hand_on_one(self, tp: TP, record: Any) -> None:
        app = self.app
        offset = record.offset
        read = self._read_offset[tp]
        if read is not None and offset < read:
            return
        if read and offset - read > 1 and app.topics.acks_enabled_for(tp.topic):
            # Compaction leaves gaps, which must not stop the commit.
            await self._add_gap(tp, read + 1, offset)
        message = self._to_message(tp, record)
        roomy = not any(channel.queue.full() for channel in app.topics._tp_index[tp])
        if roomy and app.flow_control.is_active():
            await self.callback(message)
        else:
            await self.wait_first(self.callback(message), self.suspend_flow.wait())
        self._read_offset[tp] = offset

    def _deliver(self, tp: TP, message: Any, channels: Collection[Any]) -> None:
        """Do what Faust's own callback does with a message that needs no decoding and finds room."""
        pressure = self._pressure.get(tp)
        if pressure is None:
            pressure = partial(self.on_buffer_full, tp), partial(self.on_buffer_drop, tp)
            self._pressure[tp] = pressure  # the queues tell these apart by identity
        message.incref(len(channels))
        event = Event(self.app, message.key, message.value, message.headers, message)
        for channel in channels:
            channel.queue.put_nowait_enhanced(
                event, on_pressure_high=pressure[0], on_pressure_drop=pressure[1]
            )
