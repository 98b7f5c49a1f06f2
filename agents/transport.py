"""Faust's Kafka transport with the waits taken out and its start made safe.

Measured on Faust 0.15.3 with Kafka 4.1.1:

- The long poll is fixed at 1.5 s, and one poll of an empty partition blocks the connection to the
  broker for the others; a full stream buffer waits a whole second more. With several topics a live
  change then takes seconds to pass a worker that is otherwise idle.
- Twenty empty fetches a second, each naming every partition, take a tenth of a core of the broker and
  nearly as much of the worker. So an idle worker waits longer for less: the first byte ends its fetch.
- After a rebalance the sources flow while Faust still seeks to the committed offsets, and then
  clears the streams' queues: what arrived in between waits for the next restart while later offsets
  are committed past it. Faust's long wait hides this; a short one shows it. So the sources are held
  back until the flow resumes.
- A partition without a committed offset is not sought at all: what was read of it before a rebalance,
  or dropped in one, would never come again. It is read from its beginning.
- aiokafka takes an empty set of partitions for "all of them", and Faust empties the very set a fetch
  under way has got: the sources' messages are then fetched and dropped. So a fetch gets a set of its own,
  and none is under way while Faust seeks.
- aiokafka asks a broker for nothing while a partition of it has messages that nobody has taken yet, for up to
  0.1 s each time: a backfill that waits for the stages behind it slowed them down.
- The copies of other workers' tables are read entry by entry, and the broker looks at all partitions that
  are waited for with every message. So the copies are read once a second.
- Each message is handed on with four asyncio tasks, where one call that cannot block does.
- A static member never leaves its group: its partitions wait for it for the session time. A worker that stops
  while others work leaves.
- Recovery handles an entry of a changelog at a time, and looks at the state of all partitions for each: 1 M
  entries take minutes. They are written to their table as they are read, a fetch at a time, and Faust
  hears of the last of each fetch only.

It also tells the worker's lease of every sign of life that Kafka accepts (see agents.lease).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Any, Final

import faust
import structlog
from aiokafka.errors import GroupLoadInProgressError, KafkaError, NoError, RebalanceInProgressError
from aiokafka.protocol.group import HeartbeatRequest, LeaveGroupRequest, SyncGroupRequest
from faust.events import Event
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from agents.kafka_client import keep_metadata
from agents.lease import Lease
from schemas.codec import is_part

_FETCH_WAIT_MS: Final = 50
_FETCH_MIN_BYTES: Final = 64 * 1024
"""With less, the broker waits up to _FETCH_WAIT_MS: a busy worker asks less often, for more at once."""
_IDLE_WAIT_MS: Final = 250
"""A partition that was paused and is not any more waits for the end of the fetch under way."""
_POLL_SECONDS: Final = 0.05
_YIELD_EVERY: Final = 100
_COPY_SECONDS: Final = 1.0
"""How old a copy of another worker's table may be; whoever takes its partition over reads the rest."""
_MANY: Final = 100
"""Entries of a changelog; where there were so many, there are likely more."""
_JOIN_AGAIN_SECONDS: Final = 1.0
_SIGNS_OF_LIFE: Final = (HeartbeatRequest, SyncGroupRequest)
_ACCEPTED: Final = frozenset({NoError.errno, RebalanceInProgressError.errno})


class _Thread(driver.AIOKafkaConsumerThread):
    _left = False

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = _FETCH_WAIT_MS
        consumer._fetch_min_bytes = _FETCH_MIN_BYTES
        keep_metadata(consumer._client)
        return consumer

    async def on_start(self) -> None:
        await super().on_start()
        consumer = self._ensure_consumer()
        consumer._fetcher._prefetch_backoff = 0
        fit_waits(consumer._fetcher)
        coordinator = consumer._coordinator
        _watch(coordinator, self.transport.lease)
        coordinator._push_error_to_user = partial(_join_again, coordinator)

    async def leave(self) -> None:
        """Leave the group, which a static member would not: its partitions go to the others at once."""
        await self.call_thread(self._leave)

    async def _leave(self) -> None:
        self._left = True
        consumer = self._ensure_consumer()
        coordinator = consumer._coordinator
        coordinator._group_instance_id = None
        await asyncio.gather(coordinator.close(), self._take_leave(coordinator, consumer._client))

    async def _take_leave(self, coordinator: Any, client: Any) -> None:
        """Leave at once: closing waits for a rebalance under way, which may wait for a worker that starts.

        The broker answers on the coordinator's own connection only once it has ended, too.
        """
        if coordinator.generation <= 0 or coordinator.coordinator_id is None:
            return
        request = LeaveGroupRequest(coordinator.group_id, coordinator.member_id)
        try:
            await client.send(coordinator.coordinator_id, request)
        except KafkaError as error:
            structlog.get_logger().warning("the group hears of the end by its session only", error=error)

    def close(self) -> None:
        """Take part in the group no more: it rebalances, and the app is stopping.

        Faust does it, and closes the connections, from the app's thread, while this one may be reading from
        them: uvloop then calls a null pointer, and the process is gone (SIGSEGV). They are closed at the end:
        what was in flight is still to be committed, and the group to be left.
        """
        if self._consumer is not None:
            asyncio.run_coroutine_threadsafe(self._consumer._coordinator.close(), self.thread_loop)

    async def commit(self, offsets: Any) -> bool:
        # Faust commits once more when it stops; whoever is no member any more may not.
        return False if self._left else await super().commit(offsets)

    async def seek_to_committed(self) -> Any:
        return await self.call_thread(self._seek_back)

    async def _seek_back(self) -> Any:
        consumer = self._ensure_consumer()
        committed = await consumer.seek_to_committed()
        never = [
            tp
            for tp, offset in committed.items()
            if (offset is None or offset <= 0) and not self.consumer._is_changelog_tp(tp)
        ]
        if never:
            await consumer.seek_to_beginning(*never)
        return committed


class _Consumer(driver.Consumer):
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

    def _new_consumer_thread(self) -> _Thread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

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
        # While the flow is stopped, a fetch that ended too late seeks; recovery has yet to follow.
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
                # Asked only now: a seek that was waited for has held partitions back.
                active = set(self._get_active_partitions())
                active -= self._not_yet(active)
                if active:
                    return await self._getmany(active_partitions=active, timeout=timeout), active
            await asyncio.sleep(_POLL_SECONDS)
            return {}, active
        finally:
            self.not_waiting_next_records.set()

    def _not_yet(self, active: set[TP]) -> set[TP]:
        """Return the partitions of other workers' tables, but now and then none."""
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
                # getmany may return at once, again and again.
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

        def overtaken() -> bool:  # then all of it comes again, here or elsewhere
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
        # In turn: messages of one partition leave a stage in order, so a slow one must not have all of the
        # stage's work behind it.
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
        if len(fetched) >= _MANY:
            self._copies_due = 0.0
        return fetched[-1:]

    def _handed_on_at_once(self, tp: TP, record: Any) -> bool:
        """Hand a message on if it follows the last one and nothing bars its way; returns whether it did.

        Nearly all do. Whatever is asked or made here, is for each of them.
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
            # Hundreds of megabytes for one ticket: who needs them reads them, when the ticket itself comes.
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


def fit_waits(fetcher: Any) -> None:
    """Have a fetch wait for company after a full one, and only for the first byte after an empty one.

    ``fetcher`` is aiokafka's. Each further empty one may last twice as long, up to _IDLE_WAIT_MS.
    """
    ask = fetcher._proc_fetch_request

    async def noted(*request: Any) -> Any:
        found = await ask(*request)
        if found:
            fetcher._fetch_max_wait_ms, fetcher._fetch_min_bytes = _FETCH_WAIT_MS, _FETCH_MIN_BYTES
        elif fetcher._fetch_min_bytes > 1:
            fetcher._fetch_min_bytes = 1
        else:
            fetcher._fetch_max_wait_ms = min(2 * fetcher._fetch_max_wait_ms, _IDLE_WAIT_MS)
        return found

    fetcher._proc_fetch_request = noted


def _watch(coordinator: Any, lease: Lease) -> None:
    """Renew the lease with every heartbeat and every joining of the group that the broker accepts."""
    send, forget = coordinator._send_req, coordinator.reset_generation

    async def noted(request: Any) -> Any:
        started = time.monotonic()
        response = await send(request)
        if isinstance(request, HeartbeatRequest) and response.error_code == GroupLoadInProgressError.errno:
            # A broker that comes back reads its groups first. Raised, it is asked again; returned, it
            # would end the heartbeats for good.
            raise GroupLoadInProgressError
        # A broker that is handing partitions out anew still counts the member in.
        if isinstance(request, _SIGNS_OF_LIFE) and response.error_code in _ACCEPTED:
            lease.renew(started)
        return response

    def forgotten(*args: Any, **kwargs: Any) -> Any:
        lease.drop()
        return forget(*args, **kwargs)

    coordinator._send_req, coordinator.reset_generation = noted, forgotten


async def _join_again(coordinator: Any, error: BaseException) -> None:
    """Go on after an error of the group that aiokafka leaves to its user.

    It waits for a call of the consumer to tell the user; Faust makes none of these, so the worker would
    go on reading without heartbeats or commits for ever.
    """
    structlog.get_logger().error("the group is joined again", error=error)
    await asyncio.sleep(_JOIN_AGAIN_SECONDS)
    coordinator.request_rejoin()


class _Transport(driver.Transport):
    Consumer = _Consumer
    lease: Lease


def install(app: faust.App, lease: Lease) -> None:
    """Give an app this transport, which renews the lease; call it before the app starts."""
    app.transport = _Transport(app.conf.broker_consumer, app)
    app.transport.lease = lease
