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
from schemas.codec import encode, headers_of
from schemas.errors import CredentialsError, RefusedError
from schemas.messages.dead_letters import DeadLetter
from schemas.messages.imports import ImportRecord, ImportSpec, StageCounts
from schemas.messages.tickets import CommentEvents, CommentsOver, TicketChange
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


class Desk:
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
        desk = self

        class CommittedOffsets:
            def __init__(self, servers: str, partitions: int) -> None:
                assert (servers, partitions) == ("kafka:1", 8)

            async def __aenter__(self) -> CommittedOffsets:
                return self

            async def __aexit__(self, *_: object) -> None: ...

            async def wait_for(self, topic: str) -> None:
                await desk.indexed.wait()
                desk.waited.append(topic)

        async def export_page(
            client: Any, *, start_time: Any, cursor: Any, include: str, lane: str
        ) -> RawExportPage:
            assert client == "client"
            desk.asked.append((start_time, cursor, lane))
            desk.includes.append(include)
            answer = desk.pages.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(import_runner, "CommittedOffsets", CommittedOffsets)
        monkeypatch.setattr(import_runner, "export_page", export_page)
        monkeypatch.setattr(
            import_runner, "retrying", lambda call, **_: retrying(call, RetryPolicy(factor=0))
        )
        monkeypatch.setattr(import_runner, "_LOOK_AGAIN_SECONDS", 0.001)
        monkeypatch.setattr(import_runner, "_COUNTS_SECONDS", 0.05)

    async def save(self) -> None:
        self.saved.append(msgspec.json.decode(encode(self.record), type=ImportRecord))

    async def run(self, client: Any = "client", **more: Any) -> ImportRecord:
        others = more.pop("others", ())
        runner = ImportRunner(
            client,
            self.producer,  # type: ignore[arg-type]
            bootstrap_servers="kafka:1",
            partitions=8,
            meter=Meter(),
            **more,
        )
        await runner.run(self.record, self.save, lambda: [self.record, *others])
        return self.saved[-1]


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(monkeypatch)


async def test_all_pages_go_to_the_backfill_lane(desk: Desk) -> None:
    desk.pages = [page(1, 3, "c1"), page(4, 2, "c2", end=True)]
    record = await desk.run()
    changes = desk.producer.messages(TicketChange)
    assert [change.ticket_id for change in changes] == [1, 2, 3, 4, 5]
    assert {(change.source, change.import_id) for change in changes} == {("import", "i1")}
    assert {sent.topic for sent in desk.producer.sent} == {BACKFILL}
    assert desk.asked == [(1_600_000_000, None, "backfill"), (None, "c1", "backfill")]
    assert (record.status, record.fetched, record.source_calls) == ("completed", 5, 2)
    assert (record.cursor, record.source_ended) == ("c2", True)


async def test_it_goes_on_from_its_cursor(desk: Desk) -> None:
    desk.record.cursor, desk.record.fetched, desk.record.source_calls = "c7", 700, 7
    desk.pages = [page(1, 2, "c8", end=True)]
    record = await desk.run()
    assert desk.asked == [(None, "c7", "backfill")]
    assert (record.fetched, record.source_calls, record.cursor) == (702, 8, "c8")


async def test_a_source_that_has_ended_is_not_read_again(desk: Desk) -> None:
    desk.record.source_ended = True
    assert (await desk.run()).status == "completed"
    assert desk.asked == []


async def test_the_cursor_moves_only_after_the_broker_has_the_page(desk: Desk) -> None:
    desk.pages = [page(1, 3, "c1"), page(4, 2, "c2", end=True)]
    desk.producer.gate.clear()
    running = asyncio.create_task(desk.run())
    await until(lambda: desk.producer.calls == 1)
    await settle()
    assert (desk.record.cursor, desk.record.fetched, desk.saved) == ("", 0, [])
    desk.producer.gate.set()
    await running
    assert [(saved.cursor, saved.fetched) for saved in desk.saved][:2] == [("c1", 3), ("c2", 5)]


async def test_a_broker_that_is_away_is_waited_for(desk: Desk) -> None:
    desk.pages = [page(1, 3, "c1", end=True)]
    desk.producer.failures = 3
    record = await desk.run()
    assert (record.status, record.fetched, len(desk.asked)) == ("completed", 3, 1)


async def test_unreadable_rows_are_counted_beside_the_others(desk: Desk) -> None:
    broken = page(1, 3, "c1", end=True)
    broken.tickets[1] = msgspec.Raw(b'{"id": "x"}')
    desk.pages = [broken]
    record = await desk.run()
    assert (record.fetched, record.unreadable, record.failed) == (2, 1, 1)
    (letter,) = desk.producer.messages(DeadLetter)
    assert letter.import_id == "i1"


async def test_it_ends_when_everything_is_indexed_and_not_before(desk: Desk) -> None:
    desk.pages = [page(1, 3, "c1", end=True)]
    desk.indexed.clear()
    running = asyncio.create_task(desk.run())
    await until(lambda: desk.record.source_ended)
    await settle()
    assert desk.record.status == "running"
    desk.indexed.set()
    assert (await running).status == "completed"
    # In the order of the pipeline; what was handed on to another partition is on the first topic again.
    assert desk.waited == [BACKFILL, BACKFILL, ENRICHED, EMBEDDED]


async def test_it_waits_a_while_for_the_last_counts(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_runner, "_COUNTS_SECONDS", 5.0)
    desk.pages = [page(1, 3, "c1", end=True)]
    running = asyncio.create_task(desk.run())
    await until(lambda: desk.waited)
    await settle()
    assert not running.done()
    desk.record.stages["index/0"] = StageCounts(sent=2, repeated=1)
    assert (await running).status == "completed"


async def test_it_does_not_run_far_ahead_of_enrich(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_runner, "_LEAD", 3)
    desk.pages = [page(1, 3, "c1"), page(4, 3, "c2"), page(7, 3, "c3", end=True)]
    running = asyncio.create_task(desk.run())
    await until(lambda: desk.record.fetched == 6)
    await settle()
    await asyncio.sleep(0.01)
    assert len(desk.asked) == 2
    desk.record.stages["enrich/0"] = StageCounts(sent=1, skipped=1)
    desk.record.stages["enrich/1"] = StageCounts(failed=1)
    await running
    assert len(desk.asked) == 3


async def test_a_file_is_fed_by_whoever_holds_it(desk: Desk) -> None:
    desk.record.spec = ImportSpec(file="/t.ndjson")
    running = asyncio.create_task(desk.run(client=None))
    await settle()
    await asyncio.sleep(0.01)
    assert not running.done()
    desk.record.source_ended = True
    assert (await running).status == "completed"
    assert desk.asked == []


async def test_what_a_person_must_mend_fails_the_import_with_one_line(desk: Desk) -> None:
    error = RefusedError("no such cursor", 400)
    desk.pages = [page(1, 3, "c1"), error]
    record = await desk.run()
    assert (record.status, record.errors) == ("failed", [str(error)])
    assert (record.cursor, record.fetched) == ("c1", 3)  # where it can be resumed
    desk.record.status = "running"
    desk.pages = [page(4, 2, "c2", end=True)]
    record = await desk.run()
    assert (record.status, record.fetched, desk.asked[-1][1]) == ("completed", 5, "c1")


async def test_while_the_login_is_refused_the_import_waits_and_goes_on_where_it_stood(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, logs: list[Any]
) -> None:
    monkeypatch.setattr(refused_logins, "AGAIN_SECONDS", 0)
    refused = CredentialsError("login refused: set X")
    desk.pages = [page(1, 3, "c1"), refused, refused, page(4, 2, "c2", end=True)]
    record = await desk.run()
    assert (record.status, record.fetched, record.errors) == ("completed", 5, [])
    assert [cursor for _, cursor, _ in desk.asked] == [None, "c1", "c1", "c1"]
    assert [line["error"] for line in logs if line["event"] == "an import waits"] == [refused] * 2


async def test_without_an_account_it_says_what_is_missing(desk: Desk) -> None:
    record = await desk.run(client=None)
    assert record.status == "failed"
    assert "TICKETSTREAM_ZENDESK__" in record.errors[0]


async def test_the_unforeseen_fails_the_import_too(desk: Desk) -> None:
    desk.pages = [ZeroDivisionError("oh")]
    record = await desk.run()
    assert (record.status, record.errors) == ("failed", ["ZeroDivisionError: oh"])


async def test_a_cancelled_run_says_nothing(desk: Desk) -> None:
    desk.pages = [page(1, 3, "c1", end=True)]
    desk.producer.gate.clear()
    running = asyncio.create_task(desk.run())
    await until(lambda: desk.producer.calls == 1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert (desk.record.status, desk.record.errors, desk.saved) == ("running", [], [])


class Bulk:
    """Goes the bulk way: each page's events are one message, and the import's record tells of them."""

    def __init__(self, desk: Desk, *, until: int = 99) -> None:
        self.desk = desk
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
        await self.desk.producer.send([Record(BACKFILL, 0, b"", encode(told), headers_of(told))])
        record.events += 1000
        await save()


async def test_events_go_before_the_tickets_they_belong_to(desk: Desk) -> None:
    desk.pages = [page(1, 2, "c1"), page(3, 1, "c2", end=True)]
    other = msgspec.structs.replace(desk.record, id="i2")
    record = await desk.run(bulk=Bulk(desk), others=[other])
    kinds = [dict(sent.headers)["schema"].decode() for sent in desk.producer.sent]
    ticket, events, over = "ticket-change/1", "comment-events/1", "comments-over/1"
    assert kinds == [events, ticket, ticket, events, ticket, *[over] * 8]
    assert {(word.account, tuple(word.keep)) for word in desk.producer.messages(CommentsOver)} == {
        ("acme", ("i2",))
    }
    assert {sent.partition for sent in desk.producer.sent[-8:]} == set(range(8))
    assert desk.includes == ["comment_count,users,groups,organizations"] * 2
    assert (record.status, record.comments, record.events) == ("completed", "bulk", 2000)


async def test_tickets_say_how_many_comments_they_have_only_while_these_are_read_in_bulk(desk: Desk) -> None:
    pages = [page(1, 1, "c1"), page(2, 1, "c2"), page(3, 1, "c3", end=True)]
    for one in pages:
        row = msgspec.json.decode(one.tickets[0]) | {"comment_count": 4, "requester_id": 7, "group_id": 9}
        one.tickets[0] = msgspec.Raw(msgspec.json.encode(row))
        one.users = [msgspec.Raw(b'{"id": 7, "name": "Ann"}'), msgspec.Raw(b'{"id": "x"}')]
        one.groups = [msgspec.Raw(b'{"id": 9, "name": "Support"}')]
    desk.pages = list(pages)
    await desk.run(bulk=Bulk(desk, until=1))
    first, *others = desk.producer.messages(TicketChange)
    assert (first.comment_count, first.group, [user.name for user in first.users]) == (4, "Support", ["Ann"])
    assert [(change.comment_count, change.users) for change in others] == [(None, None)] * 2
    assert desk.includes[-1] == "", "names come with the comments again"
    assert desk.producer.messages(CommentsOver), "what is held of the first is let go all the same"


async def test_a_failed_import_lets_go_of_what_it_holds_and_chooses_anew(desk: Desk) -> None:
    desk.pages = [page(1, 2, "c1"), RefusedError("no such cursor", 422)]
    record = await desk.run(bulk=Bulk(desk))
    assert (record.status, record.comments, record.events_from) == ("failed", "", 0)
    assert len(desk.producer.messages(CommentsOver)) == 8
