"""The transport: sources held back until the flow resumes, messages handed on without a wait."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.errors import GroupLoadInProgressError
from aiokafka.protocol.group import HeartbeatRequest, LeaveGroupRequest, LeaveGroupRequest_v1
from faust.transport.drivers import aiokafka as driver
from faust.transport.utils import DefaultSchedulingStrategy
from faust.types import TP
from mode.utils.queues import FlowControlEvent

from agents.app import consumer as consumer_module
from agents.app import fetching, membership
from agents.app.queues import NeverFull
from streams.kafka.lease import Lease

SOURCE, OTHER, CHANGELOG = TP("tickets.changes", 0), TP("tickets.changes", 1), TP("x-changelog", 0)


def a_record(tp: TP, offset: int) -> Any:
    """Return a message as aiokafka fetches it."""
    return SimpleNamespace(
        topic=tp.topic,
        partition=tp.partition,
        offset=offset,
        timestamp=1_000,
        timestamp_type=0,
        headers=(("schema", b"x"),),
        key=b"key",
        value=b"value",
        checksum=None,
        serialized_key_size=3,
        serialized_value_size=5,
    )


class Desk:
    """A consumer of which only what this project changed is real."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log: list[Any] = []
        self.active = {SOURCE, OTHER, CHANGELOG}
        self.assigned = {SOURCE, OTHER, CHANGELOG}
        self.fetched: dict[TP, list[Any]] = {}
        self.queue = NeverFull(maxsize=0, flow_control=FlowControlEvent(initially_suspended=False))
        self.followed: list[tuple[TP, list[int]]] = []
        self.handed: list[int] = []
        self.gaps: list[tuple[TP, int, int]] = []
        self.waited = 0
        self.queue_full = False
        consumer: Any = object.__new__(consumer_module.TicketConsumer)
        self.consumer = consumer
        consumer._held_back = set()
        consumer._sought = False
        consumer._fetching = asyncio.Lock()
        consumer._read_offset = defaultdict(lambda: None)
        consumer.flow_active = True
        consumer.can_resume_flow = asyncio.Event()
        consumer.not_waiting_next_records = asyncio.Event()
        consumer.suspend_flow = asyncio.Event()
        consumer._get_active_partitions = lambda: set(self.active)
        consumer._is_changelog_tp = lambda tp: "changelog" in tp.topic
        consumer.assignment = lambda: set(self.assigned)
        consumer._add_gap = self.add_gap
        consumer.callback = self.callback
        consumer.wait_first = self.wait_first
        consumer.wait = self.wait
        consumer._getmany = self.raw_getmany
        consumer._stopped = SimpleNamespace(is_set=lambda: False)
        consumer._crashed = SimpleNamespace(is_set=lambda: False)
        consumer._pressure = {}
        consumer.scheduler = DefaultSchedulingStrategy()
        consumer._copies_due = 0.0
        consumer.highwater = lambda tp: 100
        self.queue.full = lambda: self.queue_full  # type: ignore[method-assign]
        channel = SimpleNamespace(queue=self.queue)
        topics = SimpleNamespace(acks_enabled_for=lambda _: True, _tp_index=defaultdict(lambda: [channel]))
        self.flow = SimpleNamespace(is_active=lambda: True)
        self.monitor = SimpleNamespace(track_tp_end_offset=lambda *_: None, stream_inbound_time={})
        store = SimpleNamespace(follow=self.follow)
        self.recovery = SimpleNamespace(
            tp_to_table={CHANGELOG: SimpleNamespace(data=store)}, in_recovery=False, standby_tps=set[TP]()
        )
        self.tables = SimpleNamespace(recovery=self.recovery, standbys_ready=True)
        consumer.app = SimpleNamespace(
            topics=topics,
            flow_control=self.flow,
            monitor=self.monitor,
            tables=self.tables,
            consumer_generation_id=1,
        )

        async def seek(_: Any) -> None:
            self.log.append("seek")

        def note(name: str) -> Any:
            return lambda _, tps: self.log.append((name, set(tps)))

        monkeypatch.setattr(driver.Consumer, "perform_seek", seek)
        monkeypatch.setattr(driver.Consumer, "resume_flow", lambda _: self.log.append("flow"))
        monkeypatch.setattr(driver.Consumer, "pause_partitions", note("pause"))
        monkeypatch.setattr(driver.Consumer, "resume_partitions", note("resume"))

    async def add_gap(self, tp: TP, start: int, end: int) -> None:
        self.gaps.append((tp, start, end))

    async def callback(self, message: Any) -> None:
        """Faust's own way to hand a message on."""
        self.handed.append(message.offset)
        if "changelog" not in message.topic:
            self.queue.force_put_nowait(SimpleNamespace(message=message))

    async def wait_first(self, *coros: Any) -> None:
        self.waited += 1
        for coro in coros:
            if coro.__name__ == "callback":
                await coro
            else:
                coro.close()

    async def wait(self, event: asyncio.Event) -> None:
        self.log.append("wait")
        await event.wait()

    async def raw_getmany(self, *, active_partitions: Any, timeout: float) -> Any:
        assert not self.consumer.not_waiting_next_records.is_set()
        return {TopicPartition(*tp): self.fetched.get(tp, []) for tp in active_partitions}

    def arrive(self, *offsets: int, tp: TP = SOURCE) -> None:
        self.fetched = {tp: [a_record(tp, offset) for offset in offsets]}

    def follow(self, tp: TP, records: list[Any]) -> None:
        self.followed.append((tp, [one.offset for one in records]))

    @property
    def queued(self) -> list[int]:
        """The offsets of the messages in the stage's buffer."""
        return [event.message.offset for event in self.queue._queue]


@pytest.fixture
async def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(monkeypatch)


async def test_sources_are_held_back_from_the_seek_until_the_flow_resumes(desk: Desk) -> None:
    await desk.consumer.perform_seek()
    assert desk.log == [("pause", {SOURCE, OTHER}), "seek"]
    desk.log.clear()
    desk.consumer.resume_flow()
    assert desk.log == ["flow", ("resume", {SOURCE, OTHER})]
    desk.log.clear()
    desk.consumer.resume_flow()
    assert desk.log == ["flow"]


async def test_partitions_lost_meanwhile_are_not_resumed(desk: Desk) -> None:
    await desk.consumer.perform_seek()
    desk.assigned = {SOURCE, CHANGELOG}
    desk.log.clear()
    desk.consumer.resume_flow()
    assert desk.log == ["flow", ("resume", {SOURCE})]


async def test_a_second_rebalance_forgets_nothing_held_back(desk: Desk) -> None:
    await desk.consumer.perform_seek()
    desk.active = {CHANGELOG}  # paused partitions are not active
    await desk.consumer.perform_seek()
    desk.log.clear()
    desk.consumer.resume_flow()
    assert desk.log == ["flow", ("resume", {SOURCE, OTHER})]


async def test_sources_stay_held_back_through_a_recovery_until_they_are_sought(desk: Desk) -> None:
    desk.consumer.flow_active = False  # a fetch that ended too late, while partitions are assigned
    await desk.consumer.perform_seek()
    desk.log.clear()
    desk.consumer.resume_flow()  # recovery starts to read the changelogs
    assert desk.log == ["flow"]
    desk.consumer.flow_active = True
    desk.log.clear()
    desk.consumer.resume_partitions({SOURCE, OTHER, CHANGELOG})
    assert desk.log == [("resume", {CHANGELOG})]
    await desk.consumer.perform_seek()
    desk.log.clear()
    desk.consumer.resume_flow()
    assert desk.log == ["flow", ("resume", {SOURCE, OTHER})]


async def test_a_fetch_keeps_its_partitions_and_is_over_before_a_seek(desk: Desk) -> None:
    given: list[Any] = []
    ended = asyncio.Event()

    async def getmany(*, active_partitions: Any, timeout: float) -> Any:
        given.append(active_partitions)
        await ended.wait()
        desk.log.append("fetched")
        return {}

    live = desk.active
    desk.consumer._get_active_partitions = lambda: live
    desk.consumer._getmany = getmany
    fetching = asyncio.create_task(desk.consumer._wait_next_records(1.0))
    await asyncio.sleep(0)
    live.clear()
    seeking = asyncio.create_task(desk.consumer.perform_seek())
    await asyncio.sleep(0)
    ended.set()
    await asyncio.gather(fetching, seeking)
    assert given == [{SOURCE, OTHER, CHANGELOG}]
    assert desk.log == [("pause", set()), "fetched", "seek"]


async def test_what_was_never_committed_is_read_from_its_beginning() -> None:
    sought: list[TP] = []

    class Client:
        async def seek_to_committed(self) -> dict[TP, int | None]:
            return {SOURCE: None, OTHER: 7, CHANGELOG: None}

        async def seek_to_beginning(self, *tps: TP) -> None:
            sought.extend(tps)

    thread: Any = object.__new__(membership.GroupThread)
    thread._ensure_consumer = Client
    thread.consumer = SimpleNamespace(_is_changelog_tp=lambda tp: "changelog" in tp.topic)
    assert (await thread._seek_back())[OTHER] == 7
    assert sought == [SOURCE]


async def test_the_group_hears_of_the_end_while_a_rebalance_waits_for_others() -> None:
    rebalanced, sent = asyncio.Event(), []

    class Coordinator:
        generation, coordinator_id, group_id, member_id = 3, 1, "ticketstream", "one"
        _group_instance_id: str | None = "slot"
        closing = False

        async def close(self) -> None:
            self.closing = True
            await rebalanced.wait()

    class Client:
        async def send(self, node: int, request: LeaveGroupRequest) -> None:
            assert coordinator.closing  # else it would join once more
            assert coordinator._group_instance_id is None
            sent.append((node, request.build(LeaveGroupRequest_v1).to_object()))
            rebalanced.set()  # the others have only waited for this one

    coordinator = Coordinator()
    thread: Any = object.__new__(membership.GroupThread)
    thread._ensure_consumer = lambda: SimpleNamespace(_coordinator=coordinator, _client=Client())
    await asyncio.wait_for(thread._leave(), 5)
    assert sent == [(1, {"group": "ticketstream", "member_id": "one"})]


async def test_at_a_rebalance_while_stopping_the_group_is_left_alone_in_its_own_thread() -> None:
    # uvloop is not made for two threads: one that closes what the other reads ends the process.
    closed: Future[int] = Future()

    class Coordinator:
        async def close(self) -> None:
            closed.set_result(threading.get_ident())

    loop = asyncio.new_event_loop()
    runner = threading.Thread(target=loop.run_forever)
    runner.start()
    thread: Any = object.__new__(membership.GroupThread)
    thread.thread_loop, thread._consumer = loop, SimpleNamespace(_coordinator=Coordinator())
    thread.app = SimpleNamespace(loop=asyncio.get_running_loop())
    try:
        thread.close()
        assert await asyncio.wait_for(asyncio.wrap_future(closed), 5) == runner.ident
    finally:
        loop.call_soon_threadsafe(loop.stop)
        await asyncio.to_thread(runner.join)
        loop.close()


def test_aiokafka_has_the_pause_that_is_taken_out() -> None:
    # Set on an object that knows nothing of it, it would have no effect, and nobody would notice.
    assert "_prefetch_backoff" in Fetcher.__init__.__code__.co_names
    assert "_prefetch_backoff" in Fetcher._proc_fetch_request.__code__.co_names


def test_aiokafka_has_the_waits_that_are_fitted() -> None:
    taken = set(Fetcher._get_actions_per_node.__code__.co_names)
    assert {"_fetch_max_wait_ms", "_fetch_min_bytes"} <= taken
    assert "_proc_fetch_request" in Fetcher._fetch_requests_routine.__code__.co_names


async def test_an_idle_worker_waits_longer_for_less_and_a_busy_one_for_more() -> None:
    class Fetches:
        _fetch_max_wait_ms, _fetch_min_bytes = 50, 64 * 1024
        full = False

        async def _proc_fetch_request(self, *request: object) -> bool:
            assert request == ("assignment", 1, "request")
            return self.full

    fetches = Fetches()
    fetching.fit_waits(fetches)

    async def after(*, full: bool) -> tuple[int, int]:
        fetches.full = full
        assert await fetches._proc_fetch_request("assignment", 1, "request") is full
        return fetches._fetch_max_wait_ms, fetches._fetch_min_bytes

    assert await after(full=True) == (50, 64 * 1024)
    waits = [await after(full=False) for _ in range(5)]
    assert waits == [(50, 1), (100, 1), (200, 1), (250, 1), (250, 1)]
    assert await after(full=True) == (50, 64 * 1024)


async def test_records_are_fetched_once_the_flow_is_there(desk: Desk) -> None:
    desk.consumer.flow_active = False
    fetching = asyncio.create_task(desk.consumer._wait_next_records(1.0))
    await asyncio.sleep(0)
    assert not fetching.done()
    desk.consumer.can_resume_flow.set()
    records, active = await fetching
    assert set(records) == active == desk.active
    assert desk.consumer.not_waiting_next_records.is_set()


async def test_a_fetch_that_waited_for_a_seek_leaves_out_what_it_held_back(desk: Desk) -> None:
    async with desk.consumer._fetching:
        fetching = asyncio.create_task(desk.consumer._wait_next_records(1.0))
        await asyncio.sleep(0)
        desk.active = {CHANGELOG}
    records, active = await fetching
    assert set(records) == active == {CHANGELOG}


async def test_copies_of_other_workers_tables_are_read_now_and_then(desk: Desk) -> None:
    async def active() -> set[TP]:
        _, places = await desk.consumer._wait_next_records(1.0)
        return set(places)

    desk.recovery.standby_tps = {CHANGELOG}
    assert [CHANGELOG in await active() for _ in range(3)] == [True, False, False]
    desk.consumer._copies_due = 0.0
    assert CHANGELOG in await active()
    desk.recovery.in_recovery = True  # it may be waited for
    assert CHANGELOG in await active()
    desk.recovery.in_recovery = False
    desk.tables.standbys_ready = False  # a new copy is being made
    assert CHANGELOG in await active()
    desk.tables.standbys_ready = True
    assert CHANGELOG not in await active()
    desk.arrive(*range(150), tp=CHANGELOG)
    desk.consumer._copies_due = 0.0
    await desk.consumer._hand_on()
    assert CHANGELOG in await active()  # it was far behind
    desk.active = {CHANGELOG}  # nothing else is to be read; no partition would stand for all
    assert await active() == {CHANGELOG}


async def test_without_partitions_nobody_is_asked(desk: Desk) -> None:
    desk.active = set()
    assert await desk.consumer._wait_next_records(1.0) == ({}, set())
    assert desk.consumer.not_waiting_next_records.is_set()


async def test_a_failed_fetch_leaves_nobody_waiting(desk: Desk) -> None:
    async def fail(**_: Any) -> Any:
        raise OSError("gone")

    desk.consumer._getmany = fail
    with pytest.raises(OSError, match="gone"):
        await desk.consumer._wait_next_records(1.0)
    assert desk.consumer.not_waiting_next_records.is_set()


async def test_messages_are_handed_on_in_order_and_without_a_wait(desk: Desk) -> None:
    desk.arrive(*range(250))
    await desk.consumer._hand_on()
    assert desk.queued == list(range(250))
    assert desk.consumer._read_offset[SOURCE] == 249
    # Faust's own way is for the first one, and after a gap.
    assert (desk.waited, desk.gaps, desk.handed) == (0, [], [0])
    desk.queue.get_nowait()
    event = desk.queue.get_nowait()
    assert (event.key, event.value, event.headers) == (b"key", b"value", {"schema": b"x"})
    assert (event.message.refcount, event.message.generation_id) == (1, 1)
    # Else Faust would say, one day, that nothing is done with the partition.
    assert SOURCE in desk.monitor.stream_inbound_time


async def test_the_parts_of_large_tickets_are_handed_on_without_their_bytes(desk: Desk) -> None:
    desk.arrive(*range(3))
    for record in desk.fetched[SOURCE]:
        record.headers = (("schema", b"embedded-part/1"),)
    await desk.consumer._hand_on()
    desk.queue.get_nowait()
    event = desk.queue.get_nowait()
    assert (event.key, event.value, event.message.value) == (b"key", None, None)


async def test_a_buffer_that_fills_stops_its_own_partitions_and_lets_them_go_on(desk: Desk) -> None:
    log: list[str] = []
    desk.consumer.on_buffer_full = lambda tp: log.append(f"full {tp!r}")
    desk.consumer.on_buffer_drop = lambda tp: log.append(f"drop {tp!r}")
    for first in (0, 300):
        desk.arrive(*range(first, first + 300))
        await desk.consumer._hand_on()
    assert log == [f"full {SOURCE!r}"]  # a TP: Faust takes no other
    while not desk.queue.empty():
        desk.queue.get_nowait()
    assert log == [f"full {SOURCE!r}", f"drop {SOURCE!r}"]


async def test_what_was_read_before_is_not_handed_on_again(desk: Desk) -> None:
    desk.consumer._read_offset[SOURCE] = 5
    desk.arrive(3, 4, 6, 7)
    await desk.consumer._hand_on()
    assert desk.queued == [6, 7]


async def test_gaps_of_compaction_are_told_so_that_commits_go_on(desk: Desk) -> None:
    desk.consumer._read_offset[SOURCE] = 5
    desk.arrive(6, 10, 11)
    await desk.consumer._hand_on()
    assert desk.gaps == [(SOURCE, 7, 10)]
    assert desk.queued == [6, 10, 11]


async def test_a_changelog_is_written_as_it_is_read_and_faust_hears_of_the_last(desk: Desk) -> None:
    desk.arrive(3, 4, 8, tp=CHANGELOG)
    await desk.consumer._hand_on()
    assert desk.followed == [(CHANGELOG, [3, 4, 8])]
    assert (desk.handed, desk.queued) == ([8], [])
    assert desk.consumer._read_offset[CHANGELOG] == 8


async def test_a_rebalance_ends_what_is_being_handed_on(desk: Desk) -> None:
    desk.arrive(*range(250))
    handing = asyncio.create_task(desk.consumer._hand_on())
    while not desk.queued:
        await asyncio.sleep(0)
    desk.consumer.app.consumer_generation_id = 2
    await handing
    assert 0 < len(desk.queued) < 250


async def test_a_changelog_is_not_written_once_its_partition_may_be_gone(desk: Desk) -> None:
    second = TP("x-changelog", 1)
    desk.recovery.tp_to_table[second] = desk.recovery.tp_to_table[CHANGELOG]
    desk.active = {CHANGELOG, second}
    desk.fetched = {tp: [a_record(tp, 1)] for tp in desk.active}

    async def taken_away(message: Any) -> None:
        desk.consumer.flow_active = False

    desk.consumer.callback = taken_away
    await desk.consumer._hand_on()
    assert len(desk.followed) == 1


async def test_partitions_take_turns(desk: Desk) -> None:
    desk.consumer._read_offset |= {SOURCE: 9, OTHER: 9}
    desk.fetched = {tp: [a_record(tp, offset) for offset in (10, 11, 12)] for tp in (SOURCE, OTHER)}
    await desk.consumer._hand_on()
    taken = [event.message for event in desk.queue._queue]
    assert [message.offset for message in taken] == [10, 10, 11, 11, 12, 12]
    assert {message.tp for message in taken[:2]} == {SOURCE, OTHER}


async def test_what_arrives_while_the_flow_is_stopped_is_sought_once_more(desk: Desk) -> None:
    async def stopped_meanwhile(**_: Any) -> Any:
        desk.consumer.flow_active = False
        return {TopicPartition(*SOURCE): [a_record(SOURCE, 1)]}

    desk.consumer._getmany = stopped_meanwhile
    await desk.consumer._hand_on()
    assert (desk.queued, "seek" in desk.log) == ([], True)


@pytest.mark.parametrize("why", ["queue", "flow"])
async def test_what_could_block_can_be_interrupted(desk: Desk, why: str) -> None:
    if why == "queue":
        desk.queue_full = True
    else:
        desk.flow.is_active = lambda: False
    desk.arrive(0, 1)
    await desk.consumer._hand_on()
    assert (desk.waited, desk.handed) == (2, [0, 1])


async def test_a_stage_s_buffer_asks_for_a_pause_but_never_blocks() -> None:
    calls: list[str] = []
    buffer = NeverFull(maxsize=0, flow_control=FlowControlEvent(initially_suspended=False))
    high, drop = (lambda: calls.append("high")), (lambda: calls.append("drop"))
    for number in range(1_000):
        assert not buffer.full()
        buffer.put_nowait_enhanced(number, on_pressure_high=high, on_pressure_drop=drop)
        assert calls == (["high"] if number >= 256 else [])  # its partitions are fetched no more
    for number in range(1_000):
        assert await buffer.get() == number
        assert ("drop" in calls) == (number >= 1_000 - 64)  # and again once there is room
    assert calls == ["high", "drop"]


class Coordinator:
    """aiokafka's side of the group, as far as the worker touches it."""

    def __init__(self) -> None:
        self.code = 0
        self.rejoins = 0

    async def _send_req(self, request: Any) -> Any:
        return SimpleNamespace(error_code=self.code)

    def reset_generation(self) -> None:
        """Forget the member."""

    def request_rejoin(self) -> None:
        self.rejoins += 1


async def test_a_broker_that_still_reads_its_groups_is_asked_again() -> None:
    coordinator, lease = Coordinator(), Lease(10)
    membership.watch_membership(coordinator, lease)
    coordinator.code = GroupLoadInProgressError.errno
    # aiokafka tries again after what is raised here, but never after the same code in an answer.
    with pytest.raises(GroupLoadInProgressError):
        await coordinator._send_req(HeartbeatRequest("group", 1, "member"))
    assert not lease.held


async def test_after_an_error_of_the_group_it_is_joined_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership, "_JOIN_AGAIN_SECONDS", 0)
    coordinator = Coordinator()
    await asyncio.wait_for(membership.join_again(coordinator, RuntimeError("unexpected")), 5)
    assert coordinator.rejoins == 1
