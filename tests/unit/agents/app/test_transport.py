"""The transport: sources held back until the flow resumes, messages handed on without a wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.errors import GroupLoadInProgressError
from aiokafka.protocol.group import HeartbeatRequest, LeaveGroupRequest, LeaveGroupRequest_v1
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.utils.queues import FlowControlEvent

from agents.app import consumer as consumer_module
from agents.app import fetching, membership
from agents.app.consumer import TicketConsumer
from agents.app.queues import BUFFERED_EVENTS, NeverFull
from agents.testing import an_app
from schemas.topics import CHANGES, changelog_topic
from streams.kafka.lease import Lease

SOURCE, OTHER = TP(CHANGES, 0), TP(CHANGES, 1)
CHANGELOG, SECOND = TP(changelog_topic("seen"), 0), TP(changelog_topic("seen"), 1)


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


class OfflineConsumer(TicketConsumer):
    """The worker's consumer without its connection: partitions, records and positions are the bench's."""

    bench: ConsumerBench

    def _get_active_partitions(self) -> set[TP]:
        return self.bench.active

    def assignment(self) -> set[TP]:
        return set(self.bench.assigned)

    def highwater(self, tp: TP) -> int:
        return 100

    async def _seek(self, partition: TP, offset: int) -> None:
        """There is nobody to seek."""

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        self.bench.gaps.append((tp, offset_from, offset_to))

    async def _getmany(self, active_partitions: Any, timeout: float) -> Any:
        assert not self.not_waiting_next_records.is_set()
        return await self.bench.fetch(active_partitions)

    async def wait_first(self, *coros: Any, timeout: Any = None) -> Any:
        self.bench.waited += 1
        return await super().wait_first(*coros, timeout=timeout)

    def on_buffer_full(self, tp: TP) -> None:
        self.bench.pressure.append(f"full {tp!r}")

    def on_buffer_drop(self, tp: TP) -> None:
        self.bench.pressure.append(f"drop {tp!r}")


class OfflineThread(membership.GroupThread):
    """The thread of a consumer's client, with a client that the test gives it; it does not run."""

    def __init__(self, consumer: Any, client: Any) -> None:
        super().__init__(consumer)
        self._consumer = client


class ConsumerBench:
    """A worker's app that has not started, with a table and a stage's topic, and its consumer.

    Faust's own seeks, pauses and resumptions are only noted, in ``log``.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, room: int = BUFFERED_EVENTS) -> None:
        self.log: list[Any] = []
        self.active = {SOURCE, OTHER, CHANGELOG}
        self.assigned = {SOURCE, OTHER, CHANGELOG}
        self.fetched: dict[TP, list[Any]] = {}
        self.followed: list[tuple[TP, list[int]]] = []
        self.handed: list[int] = []
        self.gaps: list[tuple[TP, int, int]] = []
        self.pressure: list[str] = []
        self.waited = 0
        self.now = 1_000.0
        self.meanwhile: Callable[[], Any] = lambda: None
        self.app: Any = an_app(folder)
        self.app.Table("seen", key_type=bytes, value_type=bytes, partitions=6)
        self.app.flow_control.resume()
        self.app.consumer_generation_id = 1
        self.app.tables.standbys_ready = True
        table = SimpleNamespace(data=SimpleNamespace(follow=self.follow))
        self.recovery = self.app.tables.recovery
        self.recovery.tp_to_table.update({CHANGELOG: table, SECOND: table})
        raw = {"key_serializer": "raw", "value_serializer": "raw"}
        self.topic = self.app.topic(CHANGES, key_type=bytes, value_type=bytes, **raw)
        self.topic.maxsize = room

        async def ignored(*_: Any, **__: Any) -> None: ...

        self.consumer: Any = OfflineConsumer(
            self.app.transport,
            callback=self.callback,
            on_partitions_revoked=ignored,
            on_partitions_assigned=ignored,
        )
        self.consumer.bench = self
        self.fetch: Callable[[set[TP]], Awaitable[Any]] = self.fetch_all

        async def seek(_: Any) -> None:
            self.log.append("seek")

        def note(name: str) -> Any:
            return lambda _, tps: self.log.append((name, set(tps)))

        monkeypatch.setattr(driver.Consumer, "perform_seek", seek)
        monkeypatch.setattr(driver.Consumer, "resume_flow", lambda _: self.log.append("flow"))
        monkeypatch.setattr(driver.Consumer, "pause_partitions", note("pause"))
        monkeypatch.setattr(driver.Consumer, "resume_partitions", note("resume"))
        monkeypatch.setattr(consumer_module, "time", SimpleNamespace(monotonic=lambda: self.now))

    async def start(self) -> None:
        """Have the app's topics know the stage's, as after an assignment."""
        self.app.topics.add(self.topic)
        await self.app.topics._update_indices()
        await self.app.topics.on_partitions_assigned({SOURCE, OTHER})

    async def callback(self, message: Any) -> None:
        """Faust's own way to hand a message on."""
        self.handed.append(message.offset)
        if "changelog" not in message.topic:
            self.topic.queue.force_put_nowait(SimpleNamespace(message=message))
        self.meanwhile()

    async def fetch_all(self, places: set[TP]) -> Any:
        return {TopicPartition(*tp): self.fetched.get(tp, []) for tp in places}

    def arrive(self, *offsets: int, tp: TP = SOURCE) -> None:
        self.fetched = {tp: [a_record(tp, offset) for offset in offsets]}

    async def read_before(self, *tps: TP, to: int) -> None:
        """Have the consumer have read up to an offset."""
        for tp in tps:
            await self.consumer.seek(tp, to)

    async def hand_on(self) -> None:
        """Have what has arrived be fetched and handed on."""
        await self.consumer._hand_on()

    def follow(self, tp: TP, records: list[Any]) -> None:
        self.followed.append((tp, [one.offset for one in records]))

    def take(self) -> list[Any]:
        """Take the messages out of the stage's buffer."""
        taken = []
        while not self.topic.queue.empty():
            taken.append(self.topic.queue.get_nowait().message)
        return taken

    def taken(self) -> list[int]:
        """Take the messages out of the stage's buffer, and return their offsets."""
        return [message.offset for message in self.take()]


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ConsumerBench:
    made = ConsumerBench(monkeypatch, tmp_path)
    await made.start()
    return made


async def test_sources_are_held_back_from_the_seek_until_the_flow_resumes(bench: ConsumerBench) -> None:
    await bench.consumer.perform_seek()
    assert bench.log == [("pause", {SOURCE, OTHER}), "seek"]
    bench.log.clear()
    bench.consumer.resume_flow()
    assert bench.log == ["flow", ("resume", {SOURCE, OTHER})]
    bench.log.clear()
    bench.consumer.resume_flow()
    assert bench.log == ["flow"]


async def test_partitions_lost_meanwhile_are_not_resumed(bench: ConsumerBench) -> None:
    await bench.consumer.perform_seek()
    bench.assigned = {SOURCE, CHANGELOG}
    bench.log.clear()
    bench.consumer.resume_flow()
    assert bench.log == ["flow", ("resume", {SOURCE})]


async def test_a_second_rebalance_forgets_nothing_held_back(bench: ConsumerBench) -> None:
    await bench.consumer.perform_seek()
    bench.active = {CHANGELOG}  # paused partitions are not active
    await bench.consumer.perform_seek()
    bench.log.clear()
    bench.consumer.resume_flow()
    assert bench.log == ["flow", ("resume", {SOURCE, OTHER})]


async def test_sources_stay_held_back_through_a_recovery_until_they_are_sought(bench: ConsumerBench) -> None:
    bench.consumer.flow_active = False  # a fetch that ended too late, while partitions are assigned
    await bench.consumer.perform_seek()
    bench.log.clear()
    bench.consumer.resume_flow()  # recovery starts to read the changelogs
    assert bench.log == ["flow"]
    bench.consumer.flow_active = True
    bench.log.clear()
    bench.consumer.resume_partitions({SOURCE, OTHER, CHANGELOG})
    assert bench.log == [("resume", {CHANGELOG})]
    await bench.consumer.perform_seek()
    bench.log.clear()
    bench.consumer.resume_flow()
    assert bench.log == ["flow", ("resume", {SOURCE, OTHER})]


async def test_a_fetch_keeps_its_partitions_and_is_over_before_a_seek(bench: ConsumerBench) -> None:
    given: list[Any] = []
    ended = asyncio.Event()

    async def fetch(places: set[TP]) -> Any:
        given.append(places)
        await ended.wait()
        bench.log.append("fetched")
        return {}

    live = bench.active
    bench.fetch = fetch
    fetching = asyncio.create_task(bench.consumer._wait_next_records(1.0))
    await asyncio.sleep(0)
    live.clear()
    seeking = asyncio.create_task(bench.consumer.perform_seek())
    await asyncio.sleep(0)
    ended.set()
    await asyncio.gather(fetching, seeking)
    assert given == [{SOURCE, OTHER, CHANGELOG}]
    assert bench.log == [("pause", set()), "fetched", "seek"]


async def test_what_was_never_committed_is_read_from_its_beginning(bench: ConsumerBench) -> None:
    sought: list[TP] = []

    class Client:
        async def seek_to_committed(self) -> dict[TP, int | None]:
            return {SOURCE: None, OTHER: 7, CHANGELOG: None}

        async def seek_to_beginning(self, *tps: TP) -> None:
            sought.extend(tps)

    thread = OfflineThread(bench.consumer, Client())
    assert (await thread._seek_back())[OTHER] == 7
    assert sought == [SOURCE]


async def test_the_group_hears_of_the_end_while_a_rebalance_waits_for_others(bench: ConsumerBench) -> None:
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
    thread = OfflineThread(bench.consumer, SimpleNamespace(_coordinator=coordinator, _client=Client()))
    await asyncio.wait_for(thread._leave(), 5)
    assert sent == [(1, {"group": "ticketstream", "member_id": "one"})]


async def test_at_a_rebalance_while_stopping_the_group_is_left_alone_in_its_own_thread(
    bench: ConsumerBench,
) -> None:
    # uvloop is not made for two threads: one that closes what the other reads ends the process.
    closed: Future[int] = Future()

    class Coordinator:
        async def close(self) -> None:
            closed.set_result(threading.get_ident())

    loop = asyncio.new_event_loop()
    runner = threading.Thread(target=loop.run_forever)
    runner.start()
    thread = OfflineThread(bench.consumer, SimpleNamespace(_coordinator=Coordinator()))
    thread.thread_loop = loop
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


async def test_records_are_fetched_once_the_flow_is_there(bench: ConsumerBench) -> None:
    bench.consumer.flow_active = False
    fetching = asyncio.create_task(bench.consumer._wait_next_records(1.0))
    await asyncio.sleep(0)
    assert not fetching.done()
    bench.consumer.can_resume_flow.set()
    records, active = await fetching
    assert set(records) == active == bench.active
    assert bench.consumer.not_waiting_next_records.is_set()


async def test_a_fetch_that_waited_for_a_seek_leaves_out_what_it_held_back(bench: ConsumerBench) -> None:
    async with bench.consumer._fetching:
        fetching = asyncio.create_task(bench.consumer._wait_next_records(1.0))
        await asyncio.sleep(0)
        bench.active = {CHANGELOG}
    records, active = await fetching
    assert set(records) == active == {CHANGELOG}


async def test_copies_of_other_workers_tables_are_read_now_and_then(bench: ConsumerBench) -> None:
    async def active() -> set[TP]:
        _, places = await bench.consumer._wait_next_records(1.0)
        return set(places)

    bench.recovery.standby_tps.add(CHANGELOG)
    assert [CHANGELOG in await active() for _ in range(3)] == [True, False, False]
    bench.now += 1.0
    assert CHANGELOG in await active()
    bench.recovery.in_recovery = True  # it may be waited for
    assert CHANGELOG in await active()
    bench.recovery.in_recovery = False
    bench.app.tables.standbys_ready = False  # a new copy is being made
    assert CHANGELOG in await active()
    bench.app.tables.standbys_ready = True
    assert CHANGELOG not in await active()
    bench.arrive(*range(150), tp=CHANGELOG)
    bench.now += 1.0
    await bench.hand_on()
    assert CHANGELOG in await active()  # it was far behind, and no time has passed
    bench.active = {CHANGELOG}  # nothing else is to be read; no partition would stand for all
    assert await active() == {CHANGELOG}


async def test_without_partitions_nobody_is_asked(bench: ConsumerBench) -> None:
    bench.active = set()
    assert await bench.consumer._wait_next_records(1.0) == ({}, set())
    assert bench.consumer.not_waiting_next_records.is_set()


async def test_a_failed_fetch_leaves_nobody_waiting(bench: ConsumerBench) -> None:
    async def fail(_: set[TP]) -> Any:
        raise OSError("gone")

    bench.fetch = fail
    with pytest.raises(OSError, match="gone"):
        await bench.consumer._wait_next_records(1.0)
    assert bench.consumer.not_waiting_next_records.is_set()


async def test_messages_are_handed_on_in_order_and_without_a_wait(bench: ConsumerBench) -> None:
    bench.arrive(*range(250))
    await bench.hand_on()
    # Faust's own way is for the first one, and after a gap.
    assert (bench.waited, bench.gaps, bench.handed) == (0, [], [0])
    first, event, *others = (bench.topic.queue.get_nowait() for _ in range(250))
    assert [each.message.offset for each in (first, event, *others)] == list(range(250))
    assert (event.key, event.value, event.headers) == (b"key", b"value", {"schema": b"x"})
    assert (event.message.refcount, event.message.generation_id) == (1, 1)
    # Else Faust would say, one day, that nothing is done with the partition.
    assert SOURCE in bench.app.monitor.stream_inbound_time
    bench.arrive(248, 249, 250)  # it goes on behind what it has read
    await bench.hand_on()
    assert bench.taken()[-1] == 250
    assert bench.gaps == []


async def test_the_parts_of_large_tickets_are_handed_on_without_their_bytes(bench: ConsumerBench) -> None:
    bench.arrive(*range(3))
    for record in bench.fetched[SOURCE]:
        record.headers = (("schema", b"embedded-part/1"),)
    await bench.hand_on()
    bench.topic.queue.get_nowait()
    event = bench.topic.queue.get_nowait()
    assert (event.key, event.value, event.message.value) == (b"key", None, None)


async def test_a_buffer_that_fills_stops_its_own_partitions_and_lets_them_go_on(bench: ConsumerBench) -> None:
    for first in (0, 300):
        bench.arrive(*range(first, first + 300))
        await bench.hand_on()
    assert bench.pressure == [f"full {SOURCE!r}"]  # a TP: Faust takes no other
    while not bench.topic.queue.empty():
        bench.topic.queue.get_nowait()
    assert bench.pressure == [f"full {SOURCE!r}", f"drop {SOURCE!r}"]


async def test_what_was_read_before_is_not_handed_on_again(bench: ConsumerBench) -> None:
    await bench.read_before(SOURCE, to=5)
    bench.arrive(3, 4, 6, 7)
    await bench.hand_on()
    assert bench.taken() == [6, 7]


async def test_gaps_of_compaction_are_told_so_that_commits_go_on(bench: ConsumerBench) -> None:
    await bench.read_before(SOURCE, to=5)
    bench.arrive(6, 10, 11)
    await bench.hand_on()
    assert bench.gaps == [(SOURCE, 7, 10)]
    assert bench.taken() == [6, 10, 11]


async def test_a_changelog_is_written_as_it_is_read_and_faust_hears_of_the_last(bench: ConsumerBench) -> None:
    bench.arrive(3, 4, 8, tp=CHANGELOG)
    await bench.hand_on()
    assert bench.followed == [(CHANGELOG, [3, 4, 8])]
    assert (bench.handed, bench.taken()) == ([8], [])
    bench.arrive(9, tp=CHANGELOG)
    await bench.hand_on()
    assert (bench.handed, bench.gaps) == ([8, 9], [])  # it goes on behind what it has read


async def test_a_rebalance_ends_what_is_being_handed_on(bench: ConsumerBench) -> None:
    bench.arrive(*range(250))
    handing = asyncio.create_task(bench.hand_on())
    while bench.topic.queue.empty():
        await asyncio.sleep(0)
    bench.app.consumer_generation_id = 2
    await handing
    assert 0 < len(bench.taken()) < 250


async def test_a_changelog_is_not_written_once_its_partition_may_be_gone(bench: ConsumerBench) -> None:
    bench.active = {CHANGELOG, SECOND}
    bench.fetched = {tp: [a_record(tp, 1)] for tp in bench.active}
    bench.meanwhile = bench.consumer.stop_flow
    await bench.hand_on()
    assert len(bench.followed) == 1


async def test_partitions_take_turns(bench: ConsumerBench) -> None:
    await bench.read_before(SOURCE, OTHER, to=9)
    bench.fetched = {tp: [a_record(tp, offset) for offset in (10, 11, 12)] for tp in (SOURCE, OTHER)}
    await bench.hand_on()
    taken = bench.take()
    assert [message.offset for message in taken] == [10, 10, 11, 11, 12, 12]
    assert {message.tp for message in taken[:2]} == {SOURCE, OTHER}


async def test_what_arrives_while_the_flow_is_stopped_is_sought_once_more(bench: ConsumerBench) -> None:
    async def stopped_meanwhile(_: set[TP]) -> Any:
        bench.consumer.stop_flow()
        return {TopicPartition(*SOURCE): [a_record(SOURCE, 1)]}

    bench.fetch = stopped_meanwhile
    await bench.hand_on()
    assert (bench.taken(), "seek" in bench.log) == ([], True)


@pytest.mark.parametrize("why", ["queue", "flow"])
async def test_what_could_block_can_be_interrupted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, why: str
) -> None:
    bench = ConsumerBench(monkeypatch, tmp_path, room=1)
    await bench.start()
    if why == "queue":
        bench.topic.queue.put_nowait(SimpleNamespace(message=a_record(SOURCE, -1)))
    else:
        bench.app.flow_control.suspend()
    bench.arrive(0, 1)
    await bench.hand_on()
    assert (bench.waited, bench.handed) == (2, [0, 1])


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
