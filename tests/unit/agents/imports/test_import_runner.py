"""A run of an import: pages to the backfill lane, a cursor that never runs ahead, an honest end."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from agents.app.meter import Meter
from agents.engine import refused_logins
from agents.imports import runner as import_runner
from agents.imports.runner import ImportRunner
from schemas.cluster import Cluster
from schemas.codec import encode, headers_of
from schemas.errors import CredentialsError, RefusedError
from schemas.messages.dead_letters import DeadLetter
from schemas.messages.imports import ImportRecord, ImportSpec, StageCounts
from schemas.messages.tickets import CommentEvents, ForgetHeldComments, TicketChange
from schemas.testing import a_ticket, an_import
from schemas.topics import BACKFILL, EMBEDDED, ENRICHED
from schemas.zendesk_pages import RawExportPage
from streams.kafka.messages import Record
from streams.retries import RetryPolicy, retrying
from streams.testing import InMemoryProducer, settle, until
from tests.shared_fixtures import logs

__all__ = ["logs"]
pytestmark = pytest.mark.usefixtures("logs")


def page(first: int, count: int, cursor: str, *, end: bool = False) -> RawExportPage:
    rows = [
        msgspec.Raw(msgspec.json.encode(a_ticket(number, generated_timestamp=1_700_000_000 + number)))
        for number in range(first, first + count)
    ]
    return RawExportPage(rows, cursor, end)


class RunnerBench:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.producer = InMemoryProducer()
        self.pages: list[RawExportPage | Exception] = []
        self.asked: list[tuple[int | None, str | None, str]] = []
        self.includes: list[str] = []
        self.waited: list[str] = []
        self.indexed = asyncio.Event()
        self.indexed.set()
        self.saved: list[ImportRecord] = []
        self.record = an_import(spec=ImportSpec(since=1_600_000_000))
        bench = self

        class CommittedOffsets:
            def __init__(self, cluster: Cluster) -> None:
                assert cluster == Cluster("kafka:1", 8)

            async def __aenter__(self) -> CommittedOffsets:
                return self

            async def __aexit__(self, *_: object) -> None: ...

            async def wait_for(self, topic: str) -> None:
                await bench.indexed.wait()
                bench.waited.append(topic)

        async def export_page(
            client: Any, *, start_time: Any, cursor: Any, include: str, lane: str
        ) -> RawExportPage:
            assert client == "client"
            bench.asked.append((start_time, cursor, lane))
            bench.includes.append(include)
            answer = bench.pages.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(import_runner, "CommittedOffsets", CommittedOffsets)
        monkeypatch.setattr(import_runner, "export_page", export_page)
        monkeypatch.setattr(
            import_runner, "retrying", lambda call, **_: retrying(call, RetryPolicy(factor=0))
        )
        monkeypatch.setattr(import_runner, "_POLL_IMPORT_SECONDS", 0.001)
        monkeypatch.setattr(import_runner, "_COUNTS_SECONDS", 0.05)

    async def save(self) -> None:
        self.saved.append(msgspec.json.decode(encode(self.record), type=ImportRecord))

    async def run(self, client: Any = "client", **more: Any) -> ImportRecord:
        others = more.pop("others", ())
        runner = ImportRunner(
            client,
            self.producer,  # type: ignore[arg-type]
            cluster=Cluster("kafka:1", 8),
            meter=Meter(),
            **more,
        )
        await runner.run(self.record, self.save, lambda: [self.record, *others])
        return self.saved[-1]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> RunnerBench:
    return RunnerBench(monkeypatch)


async def test_all_pages_go_to_the_backfill_lane(bench: RunnerBench) -> None:
    bench.pages = [page(1, 3, "c1"), page(4, 2, "c2", end=True)]
    record = await bench.run()
    changes = bench.producer.messages(TicketChange)
    assert [change.ticket_id for change in changes] == [1, 2, 3, 4, 5]
    assert {(change.source, change.import_id) for change in changes} == {("import", "i1")}
    assert {sent.topic for sent in bench.producer.sent} == {BACKFILL}
    assert bench.asked == [(1_600_000_000, None, "backfill"), (None, "c1", "backfill")]
    assert (record.status, record.fetched, record.source_calls) == ("completed", 5, 2)
    assert (record.cursor, record.source_ended) == ("c2", True)


async def test_it_goes_on_from_its_cursor(bench: RunnerBench) -> None:
    bench.record.cursor, bench.record.fetched, bench.record.source_calls = "c7", 700, 7
    bench.pages = [page(1, 2, "c8", end=True)]
    record = await bench.run()
    assert bench.asked == [(None, "c7", "backfill")]
    assert (record.fetched, record.source_calls, record.cursor) == (702, 8, "c8")


async def test_a_source_that_has_ended_is_not_read_again(bench: RunnerBench) -> None:
    bench.record.source_ended = True
    assert (await bench.run()).status == "completed"
    assert bench.asked == []


async def test_the_cursor_moves_only_after_the_broker_has_the_page(bench: RunnerBench) -> None:
    bench.pages = [page(1, 3, "c1"), page(4, 2, "c2", end=True)]
    bench.producer.gate.clear()
    running = asyncio.create_task(bench.run())
    await until(lambda: bench.producer.calls == 1)
    await settle()
    assert (bench.record.cursor, bench.record.fetched, bench.saved) == ("", 0, [])
    bench.producer.gate.set()
    await running
    assert [(saved.cursor, saved.fetched) for saved in bench.saved][:2] == [("c1", 3), ("c2", 5)]


async def test_a_broker_that_is_away_is_waited_for(bench: RunnerBench) -> None:
    bench.pages = [page(1, 3, "c1", end=True)]
    bench.producer.failures = 3
    record = await bench.run()
    assert (record.status, record.fetched, len(bench.asked)) == ("completed", 3, 1)


async def test_unreadable_rows_are_counted_beside_the_others(bench: RunnerBench) -> None:
    broken = page(1, 3, "c1", end=True)
    broken.tickets[1] = msgspec.Raw(b'{"id": "x"}')
    bench.pages = [broken]
    record = await bench.run()
    assert (record.fetched, record.unreadable, record.failed) == (2, 1, 1)
    (letter,) = bench.producer.messages(DeadLetter)
    assert letter.import_id == "i1"


async def test_it_ends_when_everything_is_indexed_and_not_before(bench: RunnerBench) -> None:
    bench.pages = [page(1, 3, "c1", end=True)]
    bench.indexed.clear()
    running = asyncio.create_task(bench.run())
    await until(lambda: bench.record.source_ended)
    await settle()
    assert bench.record.status == "running"
    bench.indexed.set()
    assert (await running).status == "completed"
    # In the order of the pipeline; what was handed on to another partition is on the first topic again.
    assert bench.waited == [BACKFILL, BACKFILL, ENRICHED, EMBEDDED]


async def test_it_waits_a_while_for_the_last_counts(
    bench: RunnerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_runner, "_COUNTS_SECONDS", 5.0)
    bench.pages = [page(1, 3, "c1", end=True)]
    running = asyncio.create_task(bench.run())
    await until(lambda: bench.waited)
    await settle()
    assert not running.done()
    bench.record.stages["index/0"] = StageCounts(sent=2, repeated=1)
    assert (await running).status == "completed"


async def test_it_does_not_run_far_ahead_of_enrich(
    bench: RunnerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_runner, "_MAX_TICKETS_AHEAD", 3)
    bench.pages = [page(1, 3, "c1"), page(4, 3, "c2"), page(7, 3, "c3", end=True)]
    running = asyncio.create_task(bench.run())
    await until(lambda: bench.record.fetched == 6)
    await settle()
    await asyncio.sleep(0.01)
    assert len(bench.asked) == 2
    bench.record.stages["enrich/0"] = StageCounts(sent=1, skipped=1)
    bench.record.stages["enrich/1"] = StageCounts(failed=1)
    await running
    assert len(bench.asked) == 3


async def test_a_file_is_fed_by_whoever_holds_it(bench: RunnerBench) -> None:
    bench.record.spec = ImportSpec(file="/t.ndjson")
    running = asyncio.create_task(bench.run(client=None))
    await settle()
    await asyncio.sleep(0.01)
    assert not running.done()
    bench.record.source_ended = True
    assert (await running).status == "completed"
    assert bench.asked == []


async def test_what_a_person_must_mend_fails_the_import_with_one_line(bench: RunnerBench) -> None:
    error = RefusedError("no such cursor", 400)
    bench.pages = [page(1, 3, "c1"), error]
    record = await bench.run()
    assert (record.status, record.errors) == ("failed", [str(error)])
    assert (record.cursor, record.fetched) == ("c1", 3)  # where it can be resumed
    bench.record.status = "running"
    bench.pages = [page(4, 2, "c2", end=True)]
    record = await bench.run()
    assert (record.status, record.fetched, bench.asked[-1][1]) == ("completed", 5, "c1")


async def test_while_the_login_is_refused_the_import_waits_and_goes_on_where_it_stood(
    bench: RunnerBench, monkeypatch: pytest.MonkeyPatch, logs: list[Any]
) -> None:
    monkeypatch.setattr(refused_logins, "AGAIN_SECONDS", 0)
    refused = CredentialsError("login refused: set X")
    bench.pages = [page(1, 3, "c1"), refused, refused, page(4, 2, "c2", end=True)]
    record = await bench.run()
    assert (record.status, record.fetched, record.errors) == ("completed", 5, [])
    assert [cursor for _, cursor, _ in bench.asked] == [None, "c1", "c1", "c1"]
    assert [line["error"] for line in logs if line["event"] == "an import waits"] == [refused] * 2


async def test_without_an_account_it_says_what_is_missing(bench: RunnerBench) -> None:
    record = await bench.run(client=None)
    assert record.status == "failed"
    assert "TICKETSTREAM_ZENDESK__" in record.errors[0]


async def test_the_unforeseen_fails_the_import_too(bench: RunnerBench) -> None:
    bench.pages = [ZeroDivisionError("oh")]
    record = await bench.run()
    assert (record.status, record.errors) == ("failed", ["ZeroDivisionError: oh"])


async def test_a_cancelled_run_says_nothing(bench: RunnerBench) -> None:
    bench.pages = [page(1, 3, "c1", end=True)]
    bench.producer.gate.clear()
    running = asyncio.create_task(bench.run())
    await until(lambda: bench.producer.calls == 1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert (bench.record.status, bench.record.errors, bench.saved) == ("running", [], [])


class Bulk:
    """Goes the bulk way: each page's events are one message, and the import's record tells of them."""

    def __init__(self, bench: RunnerBench, *, until: int = 99) -> None:
        self.bench = bench
        self.until = until
        self.read = 0

    async def choose(self, record: ImportRecord, page: RawExportPage) -> None:
        record.comments = "bulk"

    async def read_ahead(self, record: ImportRecord, page: RawExportPage, save: Any) -> None:
        assert record.cursor == ("" if self.read == 0 else f"c{self.read}"), "the cursor moves behind them"
        self.read += 1
        if self.read > self.until:
            record.comments = "single"
            return
        told = CommentEvents(account="acme", ticket_id=self.read, held_for=record.id)
        await self.bench.producer.send([Record(BACKFILL, 0, b"", encode(told), headers_of(told))])
        record.events += 1000
        await save()


async def test_events_go_before_the_tickets_they_belong_to(bench: RunnerBench) -> None:
    bench.pages = [page(1, 2, "c1"), page(3, 1, "c2", end=True)]
    other = msgspec.structs.replace(bench.record, id="i2")
    record = await bench.run(bulk=Bulk(bench), others=[other])
    kinds = [dict(sent.headers)["schema"].decode() for sent in bench.producer.sent]
    ticket, events, over = "ticket-change/1", "comment-events/1", "comments-over/1"
    assert kinds == [events, ticket, ticket, events, ticket, *[over] * 8]
    assert {(word.account, tuple(word.keep)) for word in bench.producer.messages(ForgetHeldComments)} == {
        ("acme", ("i2",))
    }
    assert {sent.partition for sent in bench.producer.sent[-8:]} == set(range(8))
    assert bench.includes == ["comment_count,users,groups,organizations"] * 2
    assert (record.status, record.comments, record.events) == ("completed", "bulk", 2000)


async def test_tickets_say_how_many_comments_they_have_only_while_these_are_read_in_bulk(
    bench: RunnerBench,
) -> None:
    pages = [page(1, 1, "c1"), page(2, 1, "c2"), page(3, 1, "c3", end=True)]
    for one in pages:
        row = msgspec.json.decode(one.tickets[0]) | {"comment_count": 4, "requester_id": 7, "group_id": 9}
        one.tickets[0] = msgspec.Raw(msgspec.json.encode(row))
        one.users = [msgspec.Raw(b'{"id": 7, "name": "Ann"}'), msgspec.Raw(b'{"id": "x"}')]
        one.groups = [msgspec.Raw(b'{"id": 9, "name": "Support"}')]
    bench.pages = list(pages)
    await bench.run(bulk=Bulk(bench, until=1))
    first, *others = bench.producer.messages(TicketChange)
    assert (first.comment_count, first.group, [user.name for user in first.users]) == (4, "Support", ["Ann"])
    assert [(change.comment_count, change.users) for change in others] == [(None, None)] * 2
    assert bench.includes[-1] == "", "names come with the comments again"
    assert bench.producer.messages(ForgetHeldComments), "what is held of the first is let go all the same"


async def test_a_failed_import_lets_go_of_what_it_holds_and_chooses_anew(bench: RunnerBench) -> None:
    bench.pages = [page(1, 2, "c1"), RefusedError("no such cursor", 422)]
    record = await bench.run(bulk=Bulk(bench))
    assert (record.status, record.comments, record.events_from) == ("failed", "", 0)
    assert len(bench.producer.messages(ForgetHeldComments)) == 8
