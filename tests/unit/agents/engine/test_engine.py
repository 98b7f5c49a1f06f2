"""The engine: effects, then tables, then acknowledgements, in offset order; nothing lost."""

from __future__ import annotations

import asyncio
import base64
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from agents.engine.engine import Engine
from agents.engine.outcomes import Mark, Outcome
from agents.engine.places import place_given_up
from agents.imports.progress import ProgressLedger, progress_key
from agents.testing import InMemoryEvent, InMemoryTables
from schemas.codec import headers_of
from schemas.errors import CredentialsError, RateLimitedError, RefusedError, UnavailableError, UserError
from schemas.headers.moves import moved_headers
from schemas.headers.retries import Retry, retry_of, with_retry
from schemas.messages.dead_letters import DeadLetter
from schemas.messages.tickets import EnrichedPart, Origin
from schemas.tables import SeenTicket
from schemas.testing import a_change
from schemas.topics import BACKFILL, CHANGES, DEAD_LETTERS
from streams.kafka.messages import Incoming, Record
from streams.kafka.positions import Positions
from streams.kafka.topics import MAX_MESSAGE_BYTES
from streams.limits.gate import Gate
from streams.limits.in_flight import Adaptive
from streams.metrics import Metrics
from streams.retries import RetryPolicy
from streams.testing import InMemoryProducer, settle, until
from tests.shared_fixtures import QUICK, logs

__all__ = ["logs"]
pytestmark = pytest.mark.usefixtures("logs")


class EngineBench:
    """An engine with everything around it in reach."""

    def __init__(
        self, handler: Any = None, *, working: int = 50, held: int = 400, pauses: list[float] | None = None
    ) -> None:
        self.log: list[Any] = []
        self.app = SimpleNamespace(consumer_generation_id=1)
        self.producer = InMemoryProducer(self.log)
        self.tables = InMemoryTables(self.log)
        self.metrics = Metrics()
        self.pauses: list[float] = [] if pauses is None else pauses
        self.doors: dict[int, asyncio.Future[Outcome | BaseException]] = {}
        self.started: list[int] = []
        self.locks: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.positions = Positions()
        self.handler = handler or self.behind_doors
        self.engine = self.make(working=working, held=held)

    def make(self, *, working: int = 50, held: int = 400, **more: Any) -> Engine:
        return Engine(
            "enrich",
            self.handler,
            app=self.app,
            producer=self.producer,  # type: ignore[arg-type]
            tables=self.tables,  # type: ignore[arg-type]
            ledger=ProgressLedger(self.producer, self.tables, 4),  # type: ignore[arg-type]
            metrics=self.metrics.stage("enrich"),
            positions=self.positions,
            working=working,
            held=held,
            locks=self.locks,
            retry=RetryPolicy(sleep=self.pause, jitter=0),
            **more,
        )

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    async def behind_doors(self, message: Incoming) -> Outcome:
        """Each message waits until the test opens its door."""
        self.started.append(message.offset)
        door = self.doors.setdefault(message.offset, asyncio.get_running_loop().create_future())
        outcome = await door
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def open(self, offset: int, outcome: Outcome | BaseException | None = None) -> None:
        door = self.doors.setdefault(offset, asyncio.get_running_loop().create_future())
        door.set_result(outcome or sent(offset))

    def acks(self) -> list[int]:
        return [entry[1] for entry in self.log if entry[0] == "ack"]

    def event(self, offset: int, key: bytes | None = None, **more: Any) -> InMemoryEvent:
        return InMemoryEvent(offset, key=key or f"acme:{offset}".encode(), log=self.log, **more)

    def count(self, name: str, **labels: str) -> float:
        value = self.metrics.registry.get_sample_value(f"ticketstream_{name}", {"stage": "enrich", **labels})
        return value or 0.0


def sent(offset: int, **fields: Any) -> Outcome:
    """Return the outcome of a message: a record, and an entry for a table."""
    number = str(offset).encode()
    return Outcome(
        "sent",
        records=[Record("next", 0, number, number)],
        marks=[Mark("seen", number, SeenTicket(offset, "", Origin(CHANGES, 0, offset)))],
        **fields,
    )


@pytest.fixture
async def benches() -> AsyncIterator[Callable[..., EngineBench]]:
    made: list[EngineBench] = []

    def make(*args: Any, **kwargs: Any) -> EngineBench:
        made.append(EngineBench(*args, **kwargs))
        return made[-1]

    yield make
    for bench in made:
        await bench.engine.let_go()


async def test_records_then_tables_then_acknowledgements(benches: Callable[..., EngineBench]) -> None:
    bench = benches()
    for offset in range(3):
        await bench.engine.put(bench.event(offset))
    for offset in (2, 0, 1):
        bench.open(offset)
    await until(lambda: bench.acks() == [0, 1, 2])
    kinds = [entry[0] for entry in bench.log]
    assert kinds == ["sent", "table", "ack", "ack", "ack"]
    assert bench.log[0] == ("sent", [b"0", b"1", b"2"])
    assert bench.log[1] == ("table", "seen", [b"0", b"1", b"2"])


async def test_what_stands_for_a_key_that_has_moved_is_passed(benches: Callable[..., EngineBench]) -> None:
    bench = benches()
    await bench.engine.put(bench.event(0, value=None, headers=moved_headers(3)))
    await until(lambda: bench.acks() == [0])
    assert bench.started == []
    assert bench.producer.sent == []
    assert bench.count("stage_skipped_total", reason="moved") == 1


async def test_a_later_message_waits_for_an_earlier_one(benches: Callable[..., EngineBench]) -> None:
    bench = benches()
    for offset in range(4):
        await bench.engine.put(bench.event(offset))
    await settle()
    assert bench.started == [0, 1, 2, 3]  # the work itself runs side by side
    for offset in (1, 2):
        bench.open(offset)
    await settle()
    assert bench.log == []  # neither acknowledged nor sent before its turn
    bench.open(0)
    await until(lambda: bench.acks() == [0, 1, 2])
    assert bench.positions.released == {(CHANGES, 0): 3}
    assert bench.engine.held == 1


async def test_nothing_is_acknowledged_before_the_broker_has_the_records(
    benches: Callable[..., EngineBench],
) -> None:
    bench = benches()
    bench.producer.gate.clear()
    await bench.engine.put(bench.event(0))
    bench.open(0)
    await until(lambda: bench.producer.calls)
    await settle()
    assert bench.log == []
    assert bench.tables["seen"].puts == 0
    bench.producer.gate.set()
    await until(lambda: bench.acks() == [0])


async def test_nothing_is_acknowledged_before_the_tables_are_written(
    benches: Callable[..., EngineBench],
) -> None:
    bench = benches()
    bench.tables["seen"].gate.clear()
    await bench.engine.put(bench.event(0))
    bench.open(0)
    await until(lambda: bench.tables["seen"].puts)
    await settle()
    assert bench.acks() == []
    bench.tables["seen"].gate.set()
    await until(lambda: bench.acks() == [0])


async def test_partitions_do_not_wait_for_each_other(benches: Callable[..., EngineBench]) -> None:
    bench = benches()
    await bench.engine.put(bench.event(0, partition=0))
    await bench.engine.put(bench.event(100, partition=1))
    bench.open(100)
    await until(lambda: bench.acks() == [100])
    assert bench.positions.released == {(CHANGES, 0): 0, (CHANGES, 1): 101}


async def test_a_ticket_s_messages_are_worked_on_one_after_the_other(
    benches: Callable[..., EngineBench],
) -> None:
    bench = benches()
    await bench.engine.put(bench.event(0, key=b"acme:1"))
    await bench.engine.put(bench.event(1, key=b"acme:1"))
    await bench.engine.put(bench.event(2, key=b"acme:2"))
    await settle()
    assert bench.started == [0, 2]
    bench.tables["seen"].gate.clear()
    bench.open(0)
    await until(lambda: bench.tables["seen"].puts)
    await settle()
    assert bench.started == [0, 2]  # what the second one looks up must be written first
    bench.tables["seen"].gate.set()
    await until(lambda: bench.started == [0, 2, 1])


@QUICK
@given(
    st.lists(st.tuples(st.integers(0, 1), st.sampled_from("abc")), min_size=1, max_size=12),
    st.randoms(),
    st.data(),
)
def test_in_any_order_everything_is_acknowledged_once_and_in_order(
    messages: list[tuple[int, str]], random: Any, data: st.DataObject
) -> None:
    async def play() -> None:
        bench = EngineBench()
        events = []
        for offset, (partition, key) in enumerate(messages):
            event = bench.event(offset, key=f"{key}{partition}".encode(), partition=partition)
            events.append(event)
            await bench.engine.put(event)
        order = list(range(len(messages)))
        random.shuffle(order)
        bench.producer.failures = data.draw(st.integers(0, 3))
        bench.tables["seen"].failures = data.draw(st.integers(0, 3))
        for offset in order:
            bench.open(offset)
            await settle(data.draw(st.integers(0, 20)))
        await bench.engine.finish(5)
        assert not bench.engine.held
        assert all(event.acked == 1 for event in events)
        for partition in (0, 1):
            own = [offset for offset, (place, _) in enumerate(messages) if place == partition]
            assert [offset for offset in bench.acks() if offset in own] == own
        # Each key's records are on the topic in order; at least once each, and every last one is there.
        for key in set(messages):
            own = [str(offset) for offset, one in enumerate(messages) if one == key]
            values = [r.value.decode() for r in bench.producer.sent if r.value and r.value.decode() in own]
            assert list(dict.fromkeys(values)) == own
        await bench.engine.let_go()

    asyncio.run(play())


async def test_what_can_never_succeed_is_one_dead_letter_with_its_bytes(
    benches: Callable[..., EngineBench],
) -> None:
    bench = benches()
    value = b'{"account": "acme", "import_id": "i1", "what": "\xff'
    headers = [("schema", b"ticket-change/9"), ("trace", b"\x00\x01"), ("schema", b"twice")]
    await bench.engine.put(bench.event(5, key=b"acme:1", value=value, headers=headers, partition=3))
    await bench.engine.put(bench.event(6, key=b"acme:2", partition=3))
    bench.open(5, RefusedError("Zendesk says no"))
    bench.open(6)
    await until(lambda: bench.acks() == [5, 6])
    (letter,) = bench.producer.messages(DeadLetter)
    assert base64.b64decode(letter.value) == value
    assert base64.b64decode(letter.key) == b"acme:1"
    assert [(name, base64.b64decode(raw)) for name, raw in letter.headers] == headers
    assert (letter.topic, letter.partition, letter.offset, letter.stage) == (CHANGES, 3, 5, "enrich")
    assert (letter.error_type, letter.message) == ("RefusedError", "Zendesk says no")
    (record,) = bench.producer.on(DEAD_LETTERS)
    assert (record.partition, record.key) == (3, b"acme:1")
    assert bench.count("stage_dead_lettered_total", error="RefusedError") == 1
    assert bench.count("stage_sent_total") == 1
    assert bench.pauses == []


async def test_a_dead_letter_counts_for_its_import(benches: Callable[..., EngineBench]) -> None:
    bench = benches()
    await bench.engine.put(bench.event(5, value=b'{"account":"acme","import_id":"i1","x":[]}'))
    bench.open(5, RefusedError("no"))
    await until(lambda: bench.acks() == [5])
    counts = bench.tables["progress"].get(0, progress_key("enrich", "acme", "i1"))
    assert (counts.failed, counts.through) == (1, {CHANGES: 5})
    (letter,) = bench.producer.messages(DeadLetter)
    assert letter.import_id == "i1"


@pytest.mark.parametrize("value", [None, b"", b"\xff", b"[" * 100_000, b'{"account": 7}', b'"x"'])
async def test_any_bytes_at_all_become_a_dead_letter(
    benches: Callable[..., EngineBench], value: bytes | None
) -> None:
    bench = benches()
    await bench.engine.put(bench.event(0, value=value))
    bench.open(0, RefusedError("no"))
    await until(lambda: bench.acks() == [0])
    (letter,) = bench.producer.messages(DeadLetter)
    assert letter.value == (None if value is None else base64.b64encode(value).decode())
    assert bench.tables["progress"].entries == {}


async def test_what_can_succeed_later_is_tried_until_it_does(benches: Callable[..., EngineBench]) -> None:
    errors: list[Exception] = [UnavailableError("away")] * 6 + [RateLimitedError("slow", 30)] * 2

    async def handler(message: Incoming) -> Outcome:
        if message.offset == 0 and errors:
            raise errors.pop(0)
        return sent(message.offset)

    bench = benches(handler)
    for offset in range(2):
        await bench.engine.put(bench.event(offset))
    await until(lambda: bench.acks() == [0, 1])
    assert bench.pauses == [1, 2, 4, 8, 8, 8, 30, 30]
    assert [record.value for record in bench.producer.sent] == [b"0", b"1"]
    assert bench.count("stage_retried_total") == 8
    assert bench.producer.on(DEAD_LETTERS) == []


@pytest.mark.parametrize("error", [CredentialsError("login refused"), UserError("a foreign collection")])
async def test_what_a_person_has_to_mend_is_waited_for_and_loses_nothing(
    benches: Callable[..., EngineBench], error: UserError
) -> None:
    errors = [error] * 5

    async def handler(message: Incoming) -> Outcome:
        if errors:
            raise errors.pop()
        return sent(message.offset)

    bench = benches(handler)
    await bench.engine.put(bench.event(0))
    await until(lambda: bench.acks() == [0])
    assert bench.pauses == [5] * 5
    assert [record.value for record in bench.producer.sent] == [b"0"]


class Panic(BaseException):
    """What a library in Rust raises when it panics is no Exception."""


async def test_of_those_whose_login_is_refused_one_tries_and_the_others_go_on_with_it(
    benches: Callable[..., EngineBench],
) -> None:
    tries: list[int] = []
    mended = False

    async def handler(message: Incoming) -> Outcome:
        tries.append(message.offset)
        if not mended:
            raise CredentialsError("login refused")
        return sent(message.offset)

    bench = benches(handler)
    for offset in range(20):
        await bench.engine.put(bench.event(offset))
    with structlog.testing.capture_logs() as lines:
        await until(lambda: len(tries) > 60)
    assert len(set(tries[20:])) == 1
    assert 0 < len(lines) <= len(tries) - 19  # one line a try, not one a message
    mended = True
    await until(lambda: bench.acks() == list(range(20)))


async def test_behind_a_message_that_is_tried_again_others_have_their_effect(
    benches: Callable[..., EngineBench],
) -> None:
    bench = benches(held=5)
    bench.engine = bench.make(held=5, ahead=20)
    for offset in range(5):
        await bench.engine.put(bench.event(offset))
    for offset in (1, 2, 3, 4):
        bench.open(offset)
    await until(lambda: [record.value for record in bench.producer.sent] == [b"1", b"2", b"3", b"4"])
    await until(lambda: bench.engine.held == 1)  # there is room for more, though nothing is acknowledged
    assert bench.acks() == []
    assert bench.count("stage_sent_total") == 4
    for offset in range(5, 9):
        await bench.engine.put(bench.event(offset))
        bench.open(offset)
    await until(lambda: bench.engine.held == 1)
    # All that may be acknowledged later is small.
    late = [slot for slot in bench.engine._queues[CHANGES, 0]._queued if slot.settled.is_set()]
    assert [slot.message.value for slot in late] == [None] * 8
    assert bench.acks() == []
    bench.open(0)
    await until(lambda: bench.acks() == list(range(9)))
    assert [record.value for record in bench.producer.sent][-1] == b"0"
    assert bench.positions.released == {(CHANGES, 0): 9}


async def test_what_waits_only_for_its_acknowledgement_is_bounded(
    benches: Callable[..., EngineBench],
) -> None:
    bench = benches()
    bench.engine = bench.make(held=4, ahead=3)
    putting = asyncio.create_task(_put_all(bench, 20))
    for offset in range(1, 20):
        bench.open(offset)
    await until(lambda: len(bench.started) == 1 + 3 + 3)
    await asyncio.sleep(0.6)
    assert len(bench.started) == 7 and not putting.done()
    bench.open(0)
    await putting
    await until(lambda: bench.acks() == list(range(20)))


async def _put_all(bench: EngineBench, count: int) -> None:
    for offset in range(count):
        await bench.engine.put(bench.event(offset))


async def test_a_ticket_s_later_message_waits_while_its_earlier_one_is_tried_again(
    benches: Callable[..., EngineBench],
) -> None:
    bench = benches()
    await bench.engine.put(bench.event(0, key=b"acme:1"))
    await bench.engine.put(bench.event(1, key=b"acme:2"))
    await bench.engine.put(bench.event(2, key=b"acme:1"))
    await bench.engine.put(bench.event(3, key=b"acme:2"))
    for offset in (1, 2, 3):
        bench.open(offset)
    await until(lambda: [record.value for record in bench.producer.sent] == [b"1", b"3"])
    assert bench.started == [0, 1, 3]
    bench.open(0)
    await until(lambda: bench.acks() == [0, 1, 2, 3])
    assert [record.value for record in bench.producer.sent] == [b"1", b"3", b"0", b"2"]


async def test_what_waits_between_two_tries_takes_no_place_from_others(
    benches: Callable[..., EngineBench],
) -> None:
    size = Adaptive(1, least=1, most=1)
    woken = asyncio.Event()
    tries: list[int] = []

    async def handler(message: Incoming) -> Outcome:
        tries.append(message.offset)
        if message.offset == 0 and not woken.is_set():
            async with place_given_up():
                await woken.wait()
        return sent(message.offset)

    bench = benches(handler)
    bench.engine = bench.make(working=Gate(size, waiting=lambda: None))  # type: ignore[arg-type]
    for offset in range(5):
        await bench.engine.put(bench.event(offset))
    await until(lambda: len(bench.producer.sent) == 4)
    await until(lambda: (bench.engine.held, bench.engine.at_work) == (1, 0))
    woken.set()
    await until(lambda: bench.acks() == list(range(5)))
    assert tries == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("kind", [ZeroDivisionError, Panic])
async def test_the_unforeseen_is_tried_three_times(
    benches: Callable[..., EngineBench], kind: type[BaseException]
) -> None:
    attempts = 0

    async def handler(message: Incoming) -> Outcome:
        nonlocal attempts
        attempts += 1
        raise kind("oh")

    bench = benches(handler)
    await bench.engine.put(bench.event(0, value=b"what it was"))
    await until(lambda: bench.acks() == [0])
    assert attempts == 3
    (letter,) = bench.producer.messages(DeadLetter)
    assert (letter.error_type, base64.b64decode(letter.value)) == (kind.__name__, b"what it was")


async def test_the_unforeseen_that_passes_is_no_dead_letter(benches: Callable[..., EngineBench]) -> None:
    errors: list[Exception] = [
        KeyError("x"),
        UnavailableError("away"),
        KeyError("x"),
        UnavailableError("away"),
    ]

    async def handler(message: Incoming) -> Outcome:
        if errors:
            raise errors.pop(0)
        return sent(message.offset)

    bench = benches(handler)
    await bench.engine.put(bench.event(0))
    await until(lambda: bench.acks() == [0])
    assert [record.value for record in bench.producer.sent] == [b"0"]


async def test_what_a_newer_version_has_passed_is_skipped(benches: Callable[..., EngineBench]) -> None:
    bench = benches()
    wanted = True
    await bench.engine.put(bench.event(0))
    bench.tables["seen"].gate.clear()
    await bench.engine.put(bench.event(1))
    bench.open(1, sent(1, is_current=lambda: wanted, account="acme", import_id="i1", calls=4))
    await settle()
    wanted = False  # while it waits for its turn
    bench.tables["seen"].gate.set()
    bench.open(0)
    await until(lambda: bench.acks() == [0, 1])
    assert [record.value for record in bench.producer.sent] == [b"0"]
    assert [key for _, key in bench.tables["seen"].entries] == [b"0"]
    assert bench.count("stage_skipped_total", reason="stale") == 1
    counts = bench.tables["progress"].get(0, progress_key("enrich", "acme", "i1"))
    assert (counts.skipped, counts.sent, counts.calls) == (1, 0, 4)


async def test_what_is_passed_may_send_something_else_instead(benches: Callable[..., EngineBench]) -> None:
    bench = benches()
    otherwise = [Record(CHANGES, 0, b"0", b"again")]
    await bench.engine.put(bench.event(0))
    bench.open(0, sent(0, is_current=lambda: False, if_stale=otherwise))
    await until(lambda: bench.acks() == [0])
    assert [(record.topic, record.value) for record in bench.producer.sent] == [(CHANGES, b"again")]
    assert bench.tables["seen"].entries == {}


async def test_what_has_arrived_is_known_before_it_is_worked_on(benches: Callable[..., EngineBench]) -> None:
    bench = benches()
    arrived = bench.positions.arrived
    for offset in (3, 4):
        await bench.engine.put(bench.event(offset, key=b"acme:1"))
    assert arrived == {(CHANGES, 0): 4}
    bench.open(3)
    bench.open(4)
    await until(lambda: bench.acks() == [3, 4])
    assert arrived == {(CHANGES, 0): 4}
    await bench.engine.let_go()
    assert arrived == {}


async def test_what_is_half_settled_is_not_taken_for_stale(benches: Callable[..., EngineBench]) -> None:
    bench = benches()
    seen = bench.tables["seen"]
    bench.tables["progress"].failures = 1
    is_current = lambda: seen.get(0, b"0") is None  # noqa: E731
    await bench.engine.put(bench.event(0))
    bench.open(0, sent(0, is_current=is_current, account="acme", import_id="i1"))
    await until(lambda: bench.acks() == [0])
    assert bench.count("stage_sent_total") == 1
    assert bench.count("stage_skipped_total", reason="stale") == 0
    assert bench.tables["progress"].get(0, progress_key("enrich", "acme", "i1")).sent == 1


async def test_both_lanes_of_a_partition_take_turns(benches: Callable[..., EngineBench]) -> None:
    bench = benches()
    backfill = bench.make()
    # The older version is just being sent when the newer one is ready on the other lane.
    bench.producer.gate.clear()
    await backfill.put(bench.event(0, key=b"acme:1", topic=BACKFILL))
    bench.open(0)
    await until(lambda: bench.producer.calls == 1)
    await bench.engine.put(bench.event(50, key=b"acme:1"))
    bench.open(50)
    await settle()
    assert bench.producer.calls == 1  # it must not be written between the other one's record and entry
    bench.producer.gate.set()
    await until(lambda: len(bench.acks()) == 2)
    assert [entry[0] for entry in bench.log] == ["sent", "table", "ack", "sent", "table", "ack"]
    await backfill.let_go()


async def test_a_value_too_large_to_send_is_a_dead_letter(benches: Callable[..., EngineBench]) -> None:
    bench = benches()
    for offset in range(2):
        await bench.engine.put(bench.event(offset))
    bench.open(0, Outcome("sent", records=[Record("next", 0, b"0", b"x" * (MAX_MESSAGE_BYTES + 1))]))
    bench.open(1, Outcome("sent", records=[Record("next", 0, b"1", b"x" * MAX_MESSAGE_BYTES)]))
    await until(lambda: bench.acks() == [0, 1])
    (letter,) = bench.producer.messages(DeadLetter)
    assert letter.error_type == "TooLargeError"
    assert letter.message.startswith(f"the message for next has {MAX_MESSAGE_BYTES + 1} bytes; at most")
    assert [record.key for record in bench.producer.on("next")] == [b"1"]


async def test_a_broker_that_is_away_is_waited_for(benches: Callable[..., EngineBench]) -> None:
    bench = benches()
    bench.producer.failures = 4
    await bench.engine.put(bench.event(0))
    bench.open(0)
    await until(lambda: bench.acks() == [0])
    assert bench.producer.calls == 5
    assert bench.pauses == [1, 2, 4, 8]
    assert [record.value for record in bench.producer.sent] == [b"0"]


async def test_a_dead_letter_waits_for_the_broker_too(benches: Callable[..., EngineBench]) -> None:
    bench = benches()
    bench.producer.failures = 2
    await bench.engine.put(bench.event(0))
    bench.open(0, RefusedError("no"))
    await until(lambda: bench.acks() == [0])
    assert len(bench.producer.messages(DeadLetter)) == 1


async def test_after_abandoning_nothing_is_acknowledged_or_sent(benches: Callable[..., EngineBench]) -> None:
    bench = benches()
    for offset in range(3):
        await bench.engine.put(bench.event(offset))
    bench.open(0)
    await until(lambda: bench.acks() == [0])
    await settle()
    await bench.engine.let_go()
    before = bench.log.copy()
    assert (bench.engine.held, bench.positions.released) == (0, {})
    assert bench.count("stage_held") == 0
    bench.doors = {}
    await settle()
    assert bench.log == before
    # The same messages come again, and are done.
    bench.app.consumer_generation_id = 2
    for offset in (1, 2):
        await bench.engine.put(bench.event(offset, generation=2))
        bench.open(offset)
    await until(lambda: bench.acks() == [0, 1, 2])


@pytest.mark.parametrize("held_up", ["records", "tables"])
async def test_abandoning_in_the_middle_of_settling_acknowledges_nothing(
    benches: Callable[..., EngineBench], held_up: str
) -> None:
    bench = benches()
    gate = bench.producer.gate if held_up == "records" else bench.tables["seen"].gate
    gate.clear()
    await bench.engine.put(bench.event(0))
    bench.open(0)
    await until(lambda: bench.producer.calls if held_up == "records" else bench.tables["seen"].puts)
    await bench.engine.let_go()
    gate.set()
    await settle()
    assert bench.acks() == []
    assert bench.engine.held == 0


async def test_messages_from_before_a_rebalance_are_left_alone(benches: Callable[..., EngineBench]) -> None:
    bench = benches()
    bench.app.consumer_generation_id = 2
    await bench.engine.put(bench.event(0, generation=1))
    await settle()
    assert bench.started == []
    assert bench.engine.held == 0


async def test_what_waited_for_room_through_a_rebalance_is_left_alone(
    benches: Callable[..., EngineBench],
) -> None:
    bench = benches(held=1)
    await bench.engine.put(bench.event(0))
    waiting = asyncio.create_task(bench.engine.put(bench.event(1)))
    await settle()
    bench.app.consumer_generation_id = 2
    await bench.engine.let_go()
    await waiting
    await settle()
    assert bench.started == [0]
    assert bench.engine.held == 0


async def test_no_more_is_sent_than_there_is_room_for_and_what_sends_nothing_needs_none(
    benches: Callable[..., EngineBench],
) -> None:
    bench = benches()
    room = asyncio.Queue[int]()

    @asynccontextmanager
    async def entry(wanted: int) -> AsyncIterator[int]:
        yield min(wanted, await room.get())

    bench.engine = bench.make(entry=entry)
    for offset in range(6):
        await bench.engine.put(bench.event(offset))
    bench.open(0, Outcome("skipped", reason="stale"))
    await until(lambda: bench.acks() == [0])
    for offset in (2, 3, 4, 5):
        bench.open(offset)
    bench.open(1, Outcome("skipped", reason="stale"))
    await settle()
    assert bench.acks() == [0]
    room.put_nowait(2)
    await until(lambda: bench.acks() == [0, 1, 2, 3])
    assert [record.key for record in bench.producer.sent] == [b"2", b"3"]
    room.put_nowait(9)
    await until(lambda: bench.acks() == [0, 1, 2, 3, 4, 5])


async def test_a_full_engine_takes_in_nothing_more(benches: Callable[..., EngineBench]) -> None:
    bench = benches(held=3)
    for offset in range(3):
        await bench.engine.put(bench.event(offset))
    waiting = asyncio.create_task(bench.engine.put(bench.event(3)))
    bench.open(1)
    bench.open(2)
    await settle()
    assert not waiting.done()  # what is done but not acknowledged is still held
    assert bench.count("stage_held") == 3
    bench.open(0)
    await waiting
    assert bench.acks() == [0, 1, 2]
    assert bench.engine.held == 1


async def test_only_so_many_are_worked_on_at_once(benches: Callable[..., EngineBench]) -> None:
    bench = benches(working=2)
    for offset in range(5):
        await bench.engine.put(bench.event(offset))
    await settle()
    assert bench.started == [0, 1]
    bench.open(1)
    await until(lambda: bench.started == [0, 1, 2])


async def test_draining_waits_for_the_last_acknowledgement(benches: Callable[..., EngineBench]) -> None:
    bench = benches()
    await bench.engine.finish(0.01)  # nothing to wait for
    await bench.engine.put(bench.event(0))
    await bench.engine.finish(0.01)
    assert bench.engine.held
    draining = asyncio.create_task(bench.engine.finish(5))
    await settle()
    bench.open(0)
    await draining
    assert not bench.engine.held
    assert bench.acks() == [0]


async def test_every_message_is_counted_once(benches: Callable[..., EngineBench]) -> None:
    bench = benches()
    for offset in range(4):
        await bench.engine.put(bench.event(offset, headers={"schema": b"x"}))
    bench.open(0)
    bench.open(1, Outcome("skipped", reason="duplicate"))
    bench.open(2, Outcome("repeated"))
    bench.open(3, sent(3, changed_at=0.0))
    await bench.engine.finish(5)
    assert not bench.engine.held
    assert bench.count("stage_received_total") == 4
    assert bench.count("stage_sent_total") == 2
    assert bench.count("stage_skipped_total", reason="duplicate") == 1
    assert bench.count("stage_skipped_total", reason="repeat") == 1
    assert bench.metrics.registry.get_sample_value("ticketstream_freshness_seconds_count") == 1
    assert bench.count("stage_held") == 0


async def test_headers_reach_the_handler_however_they_come(benches: Callable[..., EngineBench]) -> None:
    got: list[Incoming] = []

    async def handler(message: Incoming) -> Outcome:
        got.append(message)
        return Outcome("repeated")

    bench = benches(handler)
    headers = headers_of(a_change())
    for offset, given_headers in enumerate((headers, dict(headers), tuple(headers), None)):
        await bench.engine.put(bench.event(offset, headers=given_headers))
    await bench.engine.finish(5)
    assert not bench.engine.held
    assert [list(message.headers) for message in got] == [headers, headers, headers, []]


async def test_what_overtakes_is_sent_at_once_and_acknowledged_in_order(
    benches: Callable[..., EngineBench],
) -> None:
    bench = benches()
    for offset in (0, 1):
        await bench.engine.put(bench.event(offset))
    bench.open(1, sent(1, ahead_of_order=True))
    await until(lambda: bench.producer.on("next"))
    await settle()
    assert [record.value for record in bench.producer.on("next")] == [b"1"]
    assert bench.acks() == []
    bench.open(0)
    await until(lambda: bench.acks() == [0, 1])
    assert [record.value for record in bench.producer.on("next")] == [b"1", b"0"]


async def test_what_may_overtake_does_not_wait_for_its_ticket_s_earlier_message(
    benches: Callable[..., EngineBench],
) -> None:
    bench = benches()
    bench.engine = bench.make(may_overtake=lambda message: message.offset == 2)
    for offset in (0, 1, 2):
        await bench.engine.put(bench.event(offset, key=b"acme:1"))
    await settle()
    assert bench.started == [0, 2]
    newest = 0
    bench.open(0, sent(0, is_current=lambda: newest == 0))
    newest = 2
    bench.open(2, sent(2, ahead_of_order=True))
    bench.open(1)
    await until(lambda: bench.acks() == [0, 1, 2])
    assert [record.value for record in bench.producer.on("next")] == [b"2", b"1"]
    assert bench.count("stage_skipped_total", reason="stale") == 1


@pytest.mark.parametrize("verdict", ["sent", "skipped", "failed"])
async def test_a_retry_is_not_counted_again_and_says_so_in_what_it_leads_to(
    benches: Callable[..., EngineBench], verdict: str
) -> None:
    async def handle(message: Incoming) -> Outcome:
        if verdict == "failed":
            raise RefusedError("still no")
        done = sent(message.offset, account="acme", import_id="i1")
        done.verdict = verdict  # type: ignore[assignment]
        return done

    bench = benches(handle)
    value = b'{"account": "acme", "import_id": "i1"}'
    retry = with_retry([("schema", b"x/1")], "ab12", "i1")
    await bench.engine.put(bench.event(1, value=value, topic=BACKFILL, headers=retry))
    await bench.engine.put(bench.event(2, value=value, topic=BACKFILL, headers=with_retry([], "cd34", "i0")))
    await bench.engine.put(bench.event(3, value=value, topic=BACKFILL))
    await until(lambda: bench.acks() == [1, 2, 3])
    counts = bench.tables["progress"].get(0, progress_key("enrich", "acme", "i1"))
    # The second is another import's retry: this one has not counted it before.
    assert counts.sent + counts.skipped + counts.failed == 2
    first, second, third = bench.producer.sent
    assert retry_of(first.headers) == Retry("ab12", 1, "i1")
    assert retry_of(second.headers) == Retry("cd34", 1, "i0")
    assert retry_of(third.headers) is None
    if verdict == "failed":
        letter = bench.producer.messages(DeadLetter)[0]
        assert letter.import_id == "i1"
        assert ("retry-of", base64.b64encode(b"ab12").decode()) in letter.headers


async def test_a_retry_says_nothing_of_freshness(benches: Callable[..., EngineBench]) -> None:
    async def handle(message: Incoming) -> Outcome:
        return sent(message.offset, changed_at=1.0)

    bench = benches(handle)
    await bench.engine.put(bench.event(1, headers=with_retry([], "ab12")))
    await until(lambda: bench.acks() == [1])
    assert bench.metrics.registry.get_sample_value("ticketstream_freshness_seconds_count") == 0
    await bench.engine.put(bench.event(2))
    await until(lambda: bench.acks() == [1, 2])
    assert bench.metrics.registry.get_sample_value("ticketstream_freshness_seconds_count") == 1


async def test_a_retry_s_header_without_a_value_stops_nothing(benches: Callable[..., EngineBench]) -> None:
    bench = benches()
    await bench.engine.put(bench.event(1, headers=[("retry-of", None), ("retry-number", None)]))
    bench.open(1)
    await until(lambda: bench.acks() == [1])


async def test_what_is_told_last_is_sent_and_noted_together_with_the_rest() -> None:
    bench = EngineBench()
    asked: list[int] = []

    def at_last() -> tuple[list[Record], list[Mark]]:
        asked.append(len(bench.producer.sent))
        return [Record("next", 0, b"gone", None)], [Mark("seen", b"noted", None)]

    await bench.engine.put(bench.event(0))
    await bench.engine.put(bench.event(1))
    bench.producer.failures = 2
    bench.open(1, sent(1, at_last=at_last))
    await settle()
    assert asked == []
    bench.open(0, sent(0, is_current=lambda: False, at_last=at_last))
    await until(lambda: bench.acks() == [0, 1])
    assert asked == [0]
    assert [record.key for record in bench.producer.sent] == [b"1", b"gone"]
    assert ("table", "seen", [b"1", b"noted"]) in bench.log


async def test_parts_of_large_tickets_are_nobodys_work() -> None:
    bench = EngineBench()
    headers = headers_of(EnrichedPart(account="acme", ticket_id=1, passages=[]))
    await bench.engine.put(bench.event(0, key=b"acme:1#s/0", headers=headers))
    await bench.engine.put(bench.event(1, key=b"acme:1#s/1", headers=headers, value=None))
    await until(lambda: bench.acks() == [0, 1])
    assert (bench.started, bench.producer.sent) == ([], [])
    assert bench.count("stage_skipped_total", reason="part") == 2


async def test_messages_of_many_bytes_are_taken_in_a_few_at_a_time() -> None:
    bench = EngineBench()
    bench.engine = bench.make(held_bytes=250)
    for offset in range(3):
        await bench.engine.put(bench.event(offset, value=b"x" * 100))
    more = asyncio.create_task(bench.engine.put(bench.event(3, value=b"x" * 100)))
    await settle()
    assert not more.done()
    bench.open(0)
    await until(more.done)
    await bench.engine.let_go()
    assert bench.engine._held_bytes == 0
