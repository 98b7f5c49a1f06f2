"""Imports: commands and counts become records, which their partition's owner keeps and runs."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from agents.app.meter import Meter
from agents.imports import owner as imports
from agents.imports.owner import ImportOwner, Running
from agents.testing import InMemoryEvent, InMemoryTables
from schemas.codec import encode, headers_of
from schemas.messages.dead_letters import DeadLetter
from schemas.messages.imports import ImportCommand, ImportRecord, ImportSpec, StageCounts, StageProgress
from schemas.topics import DEAD_LETTERS, IMPORT_COMMANDS, IMPORT_PROGRESS
from streams.kafka.messages import Record
from streams.retries import RetryPolicy, retrying
from streams.testing import InMemoryProducer, settle, until
from tests.shared_fixtures import logs

__all__ = ["logs"]
pytestmark = pytest.mark.usefixtures("logs")
SPEC = ImportSpec(since=1_700_000_000)


class OwnerBench:
    """The imports of a worker; each run waits until the test ends it."""

    def __init__(self) -> None:
        self.tables = InMemoryTables()
        self.producer = InMemoryProducer()
        self.running: list[str] = []
        self.ran: list[str] = []
        self.ends: dict[str, asyncio.Event] = {}
        self.slow_end = asyncio.Event()
        self.slow_end.set()
        self.saves: dict[str, Callable[[], Awaitable[None]]] = {}
        self.offset = 0
        self.begin()

    def begin(self) -> None:
        """Begin as a worker that has just started."""
        self.imports = self.make()

    def make(self, *on_cancel: Record) -> ImportOwner:
        return ImportOwner(
            self.tables,  # type: ignore[arg-type]
            self.producer,  # type: ignore[arg-type]
            self._run,
            partitions=5,
            on_cancel=lambda *_: on_cancel,
            meter=Meter(),
        )

    async def take(self, *partitions: int) -> None:
        await self.imports.take(frozenset(partitions), frozenset())

    async def _run(self, record: ImportRecord, save: Callable[[], Awaitable[None]], _: Running) -> None:
        self.running.append(record.id)
        self.ran.append(record.id)
        self.saves[record.id] = save
        try:
            await self.ends.setdefault(record.id, asyncio.Event()).wait()
            record.status = "completed"
            await save()
        finally:
            await self.slow_end.wait()
            self.running.remove(record.id)

    async def put(
        self, message: Any, topic: str = IMPORT_COMMANDS, partition: int = 3, **more: Any
    ) -> InMemoryEvent:
        fields = {"value": encode(message), "headers": headers_of(message)} if message is not None else {}
        event = InMemoryEvent(
            self.offset, key=b"acme", topic=topic, partition=partition, **{**fields, **more}
        )
        self.offset += 1
        await self.imports.put(event)
        return event

    async def command(self, command: Any, import_id: str = "i1", **fields: Any) -> InMemoryEvent:
        fields = {"issued_at": 10.0, **fields}
        if command == "start":
            fields.setdefault("spec", SPEC)
        event = await self.put(ImportCommand(command=command, account="acme", import_id=import_id, **fields))
        await settle(3)
        return event

    async def record(self, import_id: str = "i1", partition: int = 3) -> ImportRecord:
        await self.imports.flush()
        found = self.tables["imports"].get(partition, import_id.encode())
        assert isinstance(found, ImportRecord)
        return found


@pytest.fixture
async def bench() -> AsyncIterator[OwnerBench]:
    made = OwnerBench()
    yield made
    made.slow_end.set()
    await made.imports.let_go()


async def test_a_start_makes_a_record_and_runs_it(bench: OwnerBench) -> None:
    event = await bench.command("start", total=50)
    assert bench.running == ["i1"]
    assert event.acked == 0  # not before the record is saved
    record = await bench.record()
    assert event.acked == 1
    assert (record.id, record.account, record.status, record.spec) == ("i1", "acme", "running", SPEC)
    assert (record.started_at, record.total) == (10.0, 50)
    assert record.updated_at > record.started_at


async def test_an_import_ends_and_says_so(bench: OwnerBench) -> None:
    await bench.command("start")
    bench.ends["i1"].set()
    await until(lambda: not bench.running)
    assert (await bench.record()).status == "completed"


async def test_commands_are_acknowledged_once_saved_and_not_before(bench: OwnerBench) -> None:
    table = bench.tables["imports"]
    table.gate.clear()
    event = await bench.command("start")
    flushing = asyncio.create_task(bench.imports.flush())
    await until(lambda: table.puts)
    await settle()
    assert event.acked == 0
    later = await bench.command("feed", fetched=5)
    table.gate.set()
    await flushing
    assert (event.acked, later.acked) == (1, 0)
    assert (await bench.record()).fetched == 5
    assert later.acked == 1


async def test_a_start_delivered_twice_changes_nothing(bench: OwnerBench) -> None:
    await bench.command("start")
    await bench.command("feed", fetched=7, cursor="7")
    event = await bench.command("start", spec=ImportSpec(since=5))
    record = await bench.record()
    assert (record.fetched, record.spec, bench.ran) == (7, SPEC, ["i1"])
    assert event.acked == 1


@pytest.mark.parametrize("command", ["resume", "cancel", "feed"])
async def test_a_command_for_an_unknown_import_is_nothing(bench: OwnerBench, command: str) -> None:
    event = await bench.command(command)
    await bench.imports.flush()
    assert event.acked == 1
    assert (bench.ran, bench.tables["imports"].entries) == ([], {})


async def test_a_start_that_says_nothing_to_import_is_nothing(bench: OwnerBench) -> None:
    await bench.command("start", spec=None)
    await bench.imports.flush()
    assert bench.tables["imports"].entries == {}


async def test_a_cancelled_import_stops_and_can_be_resumed(bench: OwnerBench) -> None:
    await bench.command("start")
    await bench.command("cancel")
    await until(lambda: not bench.running)
    assert (await bench.record()).status == "cancelled"
    await bench.command("resume")
    assert (bench.running, (await bench.record()).status) == (["i1"], "running")


async def test_what_is_held_for_a_cancelled_import_is_let_go_once_its_task_has_ended(
    bench: OwnerBench,
) -> None:
    word = Record("tickets.backfill", 2, b"acme", b"{}")
    bench.imports = bench.make(word)
    await bench.command("start")
    (record,) = bench.imports.running()
    record.comments, record.events_from, record.events = "bulk", 1_700_000_000, 3_000
    bench.slow_end.clear()
    event = await bench.command("cancel")
    flushing = asyncio.create_task(bench.imports.flush())
    await settle()
    assert (bench.producer.sent, event.acked) == ([], 0), "it may still be sending"
    bench.slow_end.set()
    await flushing
    assert (bench.producer.sent, event.acked) == ([word], 1)
    kept = await bench.record()
    assert (kept.status, kept.comments, kept.events_from, kept.events) == ("cancelled", "", 0, 3_000)


async def test_cancelled_and_resumed_at_once_it_runs_once_and_can_be_stopped_again(bench: OwnerBench) -> None:
    await bench.command("start")
    bench.slow_end.clear()  # the first run takes its time to end
    await bench.command("cancel")
    await bench.command("resume")
    assert bench.ran == ["i1", "i1"]
    bench.slow_end.set()
    await until(lambda: len(bench.running) == 1)
    await settle()
    await bench.command("feed", fetched=1)
    assert bench.ran == ["i1", "i1"]  # a command to a running import starts no second run
    await bench.command("cancel")
    await until(lambda: not bench.running)


async def test_a_cancelled_import_takes_nothing_along_that_is_being_saved(bench: OwnerBench) -> None:
    one = await bench.command("start", "i1")
    two = await bench.command("start", "i2")
    table = bench.tables["imports"]
    table.gate.clear()
    bench.ends["i1"].set()  # it saves, for both
    await until(lambda: table.puts)
    bench.imports._stop("i1")
    await settle()
    table.gate.set()
    await until(lambda: one.acked and two.acked)
    assert (await bench.record("i2")).status == "running"


@pytest.mark.parametrize("command", ["cancel", "resume"])
async def test_an_import_that_is_over_stays_so(bench: OwnerBench, command: str) -> None:
    await bench.command("start")
    bench.ends["i1"].set()
    await until(lambda: not bench.running)
    await bench.command(command)
    assert ((await bench.record()).status, bench.ran) == ("completed", ["i1"])


async def test_a_failed_import_can_be_resumed(bench: OwnerBench) -> None:
    await bench.command("start")
    bench.imports._records["i1"].status = "failed"
    bench.ends["i1"].set()
    await until(lambda: not bench.running)
    bench.imports._records["i1"].status = "failed"
    bench.ends.clear()
    await bench.command("resume")
    assert ((await bench.record()).status, bench.ran) == ("running", ["i1", "i1"])


async def test_a_file_s_feeder_moves_the_record_forward_and_never_back(bench: OwnerBench) -> None:
    await bench.command("start", spec=ImportSpec(file="/t.ndjson"))
    await bench.command("feed", cursor="500", fetched=490, failed=10, total=2_000)
    record = await bench.record()
    assert (record.cursor, record.fetched, record.unreadable, record.total) == ("500", 490, 10, 2_000)
    assert not record.source_ended
    await bench.command("feed", cursor="2000", fetched=1_990, failed=10, ended=True)
    await bench.command("feed", cursor="2000", fetched=490, failed=4)  # delivered late
    await bench.command("feed", cursor="500", fetched=490, failed=10)  # a dead letter sent again
    record = await bench.record()
    assert (record.fetched, record.unreadable, record.total, record.source_ended) == (1_990, 10, 2_000, True)
    assert record.cursor == "2000"


def counted(sent: int, partition: int = 0, stage: str = "enrich", import_id: str = "i1") -> StageProgress:
    counts = StageCounts(sent=sent)
    return StageProgress(account="acme", import_id=import_id, stage=stage, partition=partition, counts=counts)


@pytest.mark.parametrize("topic", [IMPORT_COMMANDS, IMPORT_PROGRESS])
async def test_what_was_sent_before_there_were_more_partitions_is_handed_on(
    bench: OwnerBench, topic: str
) -> None:
    event = await bench.put(counted(1), topic=topic, partition=1)
    await bench.imports.flush()
    (record,) = bench.producer.sent
    assert (record.topic, record.partition, record.key) == (topic, 3, b"acme")
    assert (record.value, record.headers) == (event.message.value, event.message.headers)
    assert event.acked
    assert not bench.ran


async def test_counts_of_a_partition_replace_its_earlier_ones(bench: OwnerBench) -> None:
    await bench.command("start")
    await bench.put(counted(5, 0), IMPORT_PROGRESS)
    await bench.put(counted(7, 1), IMPORT_PROGRESS)
    await bench.put(counted(8, 0), IMPORT_PROGRESS)
    await bench.put(counted(6, 0, "index"), IMPORT_PROGRESS)
    event = await bench.put(counted(99, import_id="unknown"), IMPORT_PROGRESS)
    record = await bench.record()
    assert (record.enriched, record.indexed) == (15, 6)
    assert event.acked == 1


async def test_counts_from_before_others_change_nothing(bench: OwnerBench) -> None:
    def counts(sent: int, **through: int) -> StageProgress:
        held = StageCounts(sent=sent, through=through)
        return StageProgress(account="acme", import_id="i1", stage="enrich", partition=0, counts=held)

    await bench.command("start")
    await bench.put(counts(5, changes=3, backfill=9), IMPORT_PROGRESS)
    event = await bench.put(counts(4, changes=3, backfill=8), IMPORT_PROGRESS)  # a dead letter sent again
    await bench.put(counts(3, backfill=9), IMPORT_PROGRESS)
    assert (await bench.record()).enriched == 5
    assert event.acked == 1
    await bench.put(counts(6, changes=3, backfill=9), IMPORT_PROGRESS)  # counted anew after a crash
    assert (await bench.record()).enriched == 6
    await bench.put(counts(7, changes=4, backfill=9), IMPORT_PROGRESS)
    assert (await bench.record()).enriched == 7


BAD = [
    {"value": b"\xff"},
    {"value": b'{"command": "explode", "account": "acme", "import_id": "i1", "issued_at": 1}'},
    {"value": b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"},
    {"value": None},
    {"headers": []},
    {"headers": [("schema", b"import-command/9")]},
]


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
@pytest.mark.parametrize("topic", [IMPORT_COMMANDS, IMPORT_PROGRESS])
async def test_what_cannot_be_read_is_a_dead_letter_and_stops_nothing(
    bench: OwnerBench, bad: dict[str, Any], topic: str
) -> None:
    message = (
        ImportCommand(command="cancel", account="acme", import_id="i1", issued_at=1.0)
        if topic == IMPORT_COMMANDS
        else counted(1)
    )
    event = await bench.put(message, topic, **bad)
    (letter,) = bench.producer.messages(DeadLetter)
    value = bad.get("value", encode(message))
    assert letter.value == (None if value is None else base64.b64encode(value).decode())
    assert (letter.stage, letter.topic, letter.offset) == ("imports", topic, event.message.offset)
    (record,) = bench.producer.on(DEAD_LETTERS)
    assert (record.partition, record.key) == (3, b"acme")
    await bench.imports.flush()
    assert event.acked == 1
    await bench.command("start")
    assert bench.running == ["i1"]


async def test_a_new_owner_goes_on_with_what_was_running(bench: OwnerBench) -> None:
    await bench.command("start", "i1")
    await bench.command("start", "i2")
    await bench.command("cancel", "i2")
    await bench.command("feed", "i1", cursor="42", fetched=42)
    await bench.record()
    await bench.imports.let_go()
    assert bench.running == []
    bench.ran.clear()
    bench.begin()
    await bench.take(1, 2)
    await settle()
    assert bench.ran == []
    await bench.take(3)
    await settle()
    assert bench.ran == ["i1"]
    record = await bench.record()
    assert (record.cursor, record.fetched, record.status) == ("42", 42, "running")
    await bench.command("resume", "i2")
    assert sorted(bench.running) == ["i1", "i2"]


async def test_partitions_taken_away_are_left_alone(bench: OwnerBench) -> None:
    await bench.command("start")
    await bench.imports.flush()
    event = await bench.command("feed", cursor="7")
    before = dict(bench.tables["imports"].entries)
    await bench.imports.let_go()
    await bench.imports.flush()
    assert bench.tables["imports"].entries == before
    assert event.acked == 0  # it comes again, here or elsewhere


async def test_kept_partitions_keep_their_newest_state(bench: OwnerBench) -> None:
    await bench.command("start")
    await bench.imports.flush()
    await bench.command("feed", cursor="9", fetched=9)  # not saved yet
    await bench.take(3)
    assert (await bench.record()).fetched == 9
    assert bench.ran == ["i1"]


async def test_a_broker_that_is_away_is_waited_for(
    bench: OwnerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "retrying", lambda call: retrying(call, RetryPolicy(factor=0)))
    bench.tables["imports"].failures = 3
    bench.producer.failures = 3
    event = await bench.command("start")
    bad = await bench.put(None, value=b"?", headers=[])
    await bench.imports.flush()
    assert (event.acked, bad.acked) == (1, 1)
    assert len(bench.producer.messages(DeadLetter)) == 1


async def test_records_are_saved_every_now_and_then(
    bench: OwnerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "_FLUSH_SECONDS", 0)
    saving = asyncio.create_task(bench.imports.run())
    event = await bench.command("start")
    await until(lambda: event.acked)
    saving.cancel()
    await asyncio.gather(saving, return_exceptions=True)


async def test_counts_published_anew_change_nothing(bench: OwnerBench) -> None:
    await bench.command("start")
    await bench.put(counted(5), IMPORT_PROGRESS)
    await bench.imports.flush()
    puts = bench.tables["imports"].puts
    event = await bench.put(counted(5), IMPORT_PROGRESS)  # as after every rebalance
    await bench.imports.flush()
    assert (event.acked, bench.tables["imports"].puts) == (1, puts)


async def test_what_is_saved_while_the_partitions_are_taken_away_comes_again(bench: OwnerBench) -> None:
    # It may be saved too late for what the tables recover: acknowledged, the import would never run.
    table = bench.tables["imports"]
    table.gate.clear()
    event = await bench.command("start", spec=ImportSpec())
    flushing = asyncio.create_task(bench.imports.flush())
    await asyncio.sleep(0)
    await bench.imports.let_go()
    await bench.take(3)
    table.gate.set()
    await flushing
    assert event.acked == 0
    await bench.command("start", spec=ImportSpec())
    assert [record.id for record in bench.imports.running()] == ["i1"]


async def test_a_save_that_is_tried_again_does_not_undo_what_another_worker_wrote_meanwhile(
    bench: OwnerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = asyncio.Event()
    patient = RetryPolicy(sleep=lambda _: waits.wait())
    monkeypatch.setattr(imports, "retrying", lambda call: retrying(call, patient))
    table = bench.tables["imports"]
    await bench.command("start")
    await bench.imports.flush()
    await bench.command("feed", cursor="9", fetched=9)
    table.failures = 1  # as when the worker was frozen, and what it holds is dropped
    flushing = asyncio.create_task(bench.imports.flush())
    await until(lambda: not table.failures)
    await settle()
    await bench.imports.let_go()
    record = table.get(3, b"i1")
    record.status = "completed"
    table.entries[3, b"i1"] = encode(record)  # the other worker's
    await bench.take(3)
    waits.set()
    await flushing
    await bench.imports.flush()
    assert table.get(3, b"i1").status == "completed"
