"""Reading an import's comments ahead of its tickets: how far, and when it is better not to."""

from __future__ import annotations

import json
from typing import Any

import httpx
import msgspec
import pytest

from agents.imports.bulk_comments import BulkComments
from schemas.messages.imports import ImportSpec, StageCounts
from schemas.messages.tickets import CommentEvents, Origin
from schemas.settings.zendesk import ZendeskSettings
from schemas.tables import SeenTicket
from schemas.testing import a_ticket, an_import
from schemas.topics import BACKFILL
from schemas.zendesk_pages import RawExportPage
from streams.testing import InMemoryProducer
from tests.shared_fixtures import logs
from tests.zendesk_fixtures import client_of

__all__ = ["logs"]
pytestmark = pytest.mark.usefixtures("logs")

START = 1_700_000_000


def page(*versions: int, end: bool = True, comments: int | None = 5) -> RawExportPage:
    rows = []
    for number, version in enumerate(versions, 1):
        row = msgspec.to_builtins(a_ticket(number, generated_timestamp=version))
        rows.append(msgspec.Raw(msgspec.json.encode(row | {"comment_count": comments})))
    return RawExportPage(rows, "c1", end)


def event(ticket_id: Any, number: int, text: str = "words") -> dict[str, Any]:
    child = {"id": number, "event_type": "Comment", "public": True, "body": text}
    return {"ticket_id": ticket_id, "created_at": "2024-01-01T00:00:00Z", "child_events": [child]}


class BulkCommentsBench:
    def __init__(self, wanted: str = "bulk", **settings: Any) -> None:
        self.pages: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.count = 0
        self.seen: dict[bytes, SeenTicket] = {}
        self.saved = 0
        self.refuses = False
        self.producer = InMemoryProducer()
        self.record = an_import()
        self.bulk = BulkComments(
            client_of(self._answer),
            self.producer,  # type: ignore[arg-type]
            ZendeskSettings(comments=wanted, **settings),  # type: ignore[arg-type]
            partitions=1,
            seen=lambda _, key: self.seen.get(key),
            owned=lambda: {0},
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v2/").removesuffix(".json")
        self.asked.append(f"{path}?{request.url.params.get('start_time', '')}")
        if path == "search/count":
            return httpx.Response(200, json={"count": self.count})
        if path == "incremental/tickets/cursor":
            probe = {"tickets": [], "after_cursor": "x", "end_of_stream": True}
            return httpx.Response(200, json=probe)
        if self.refuses:
            return httpx.Response(404, json={"error": "InvalidEndpoint"})
        return httpx.Response(200, content=json.dumps(self.pages.pop(0)))

    def events(self, *events: Any, to: int, end: bool = False) -> None:
        self.pages.append({"ticket_events": list(events), "end_time": to, "end_of_stream": end})

    async def save(self) -> None:
        self.saved += 1

    async def ahead(self, *versions: int) -> None:
        await self.bulk.read_ahead(self.record, page(*versions), self.save)

    @property
    def told(self) -> list[CommentEvents]:
        found: list[CommentEvents] = self.producer.messages(CommentEvents)
        return found


async def test_events_are_read_beyond_the_newest_ticket_and_no_further() -> None:
    bench = BulkCommentsBench()
    bench.record.comments = "bulk"
    for step in (10, 20, 30, 40):
        bench.events(event(1, step), to=START + step)
    await bench.ahead(START + 5, START + 20)
    # The second of a page's end may go on on the next one.
    assert (bench.record.events_from, bench.record.events, bench.record.source_calls) == (START + 30, 3, 3)
    assert [told.comments[0].id for told in bench.told] == [10, 20, 30]
    assert bench.saved == 3
    await bench.ahead(START + 25)
    assert len(bench.pages) == 1, "already read"
    await bench.ahead(START + 30)
    assert bench.asked == [
        "incremental/ticket_events?0",
        *(f"incremental/ticket_events?{START + step}" for step in (10, 20, 30)),
    ]


async def test_at_the_end_of_the_events_all_tickets_of_a_page_that_was_read_before_have_theirs() -> None:
    bench = BulkCommentsBench()
    bench.record.comments = "bulk"
    bench.events(to=START, end=True)
    await bench.ahead(START + 1_000)
    bench.events(to=START, end=True)
    await bench.ahead(START + 1_000)  # a later page is newer than that end
    assert (bench.record.comments, bench.pages) == ("bulk", [])


async def test_an_import_since_a_moment_starts_there() -> None:
    bench = BulkCommentsBench()
    bench.record.comments, bench.record.spec = "bulk", ImportSpec(since=START - 7)
    bench.events(to=START, end=True)
    await bench.ahead(START - 1)
    assert bench.asked == [f"incremental/ticket_events?{START - 7}"]


async def test_one_message_holds_what_a_page_tells_of_a_ticket() -> None:
    bench = BulkCommentsBench()
    bench.record.comments = "bulk"
    bench.events(event(1, 1), event(2, 2), event(1, 3), to=START, end=True)
    await bench.ahead(START)
    assert [(told.ticket_id, len(told.comments), told.held_for) for told in bench.told] == [
        (1, 2, "i1"),
        (2, 1, "i1"),
    ]
    assert [(sent.topic, sent.key) for sent in bench.producer.sent] == [
        (BACKFILL, b"acme:1"),
        (BACKFILL, b"acme:2"),
    ]


async def test_more_than_the_table_can_hold_is_asked_for() -> None:
    bench = BulkCommentsBench()
    bench.record.comments = "bulk"
    bench.events(event(1, 1, "x" * 600_000), event(2, 2), to=START, end=True)
    await bench.ahead(START)
    assert [(told.doubtful, len(told.comments)) for told in bench.told] == [(True, 0), (False, 1)]


async def test_events_that_name_no_ticket_end_the_bulk_way() -> None:
    bench = BulkCommentsBench()
    bench.record.comments = "bulk"
    bench.events(event(1, 1), event(None, 2), to=START)
    await bench.ahead(START)
    assert (bench.record.comments, bench.told, bench.pages) == ("single", [], [])


async def test_events_that_are_refused_end_the_bulk_way() -> None:
    bench = BulkCommentsBench("auto", **SLOW)
    bench.refuses = True
    bench.record.comments = "bulk"
    await bench.ahead(START)
    assert (bench.record.comments, bench.told) == ("single", [])
    bench.count = 100_000
    assert await choose(bench, page(*range(START, START + 50), end=False)) == "single"


@pytest.mark.parametrize(("wanted", "way"), [("auto", "single"), ("bulk", "bulk")])
async def test_what_is_read_in_vain_is_not_read_on(wanted: str, way: str) -> None:
    bench = BulkCommentsBench(wanted)
    bench.record.comments = "bulk"
    bench.record.stages = {"enrich/0": StageCounts(sent=400, calls=300), "enrich/1": StageCounts(sent=200)}
    bench.events(to=START, end=True)
    await bench.ahead(START - 1)
    assert bench.record.comments == "bulk", "half of them are no waste"
    bench.record.stages["enrich/1"] = StageCounts(sent=200, calls=1)
    bench.events(to=START, end=True)
    await bench.ahead(START + 1)
    assert bench.record.comments == way


SLOW = {"requests_per_minute": 200, "incremental_requests_per_minute": 10}


async def choose(bench: BulkCommentsBench, first: RawExportPage) -> str:
    await bench.bulk.choose(bench.record, first)
    return bench.record.comments


@pytest.mark.parametrize("wanted", ["single", "bulk"])
async def test_what_is_wanted_is_done_without_a_call(wanted: str) -> None:
    bench = BulkCommentsBench(wanted)
    assert await choose(bench, page(START, end=False)) == wanted
    assert bench.asked == []


async def test_a_large_account_is_read_in_bulk_and_its_first_events_are_not_read_twice() -> None:
    bench = BulkCommentsBench("auto", **SLOW)
    bench.count = 100_000
    bench.events(*(event(1, number) for number in range(1, 11)), to=START)
    assert await choose(bench, page(*range(START, START + 50), end=False)) == "bulk"
    assert [one.partition("?")[0] for one in bench.asked] == [
        "search/count",
        "incremental/tickets/cursor",
        "incremental/ticket_events",
    ]
    assert (bench.record.source_calls, bench.record.events_from, len(bench.told)) == (3, START, 1)


async def test_many_other_events_make_the_bulk_way_too_slow() -> None:
    bench = BulkCommentsBench("auto", **SLOW)
    bench.count = 100_000
    other = {"ticket_id": 1, "child_events": [{"event_type": "Change", "status": "open"}]}
    bench.events(event(1, 1), *[other] * 19, to=START)
    assert await choose(bench, page(*range(START, START + 50), end=False)) == "single"
    assert (bench.told, bench.record.events_from) == ([], 0)


async def test_a_small_or_known_account_or_one_without_counts_is_read_ticket_by_ticket() -> None:
    small = BulkCommentsBench("auto", **SLOW)
    assert await choose(small, page(*range(START, START + 50))) == "single"
    assert small.asked == []
    uncounted = BulkCommentsBench("auto", **SLOW)
    uncounted.count = 100_000
    assert await choose(uncounted, page(START, comments=None, end=False)) == "single"
    known = BulkCommentsBench("auto", **SLOW)
    known.count = 100_000
    known.seen = {
        b"acme:%d" % number: SeenTicket(START + 100, "", Origin(BACKFILL, 0, 0)) for number in range(51)
    }
    assert await choose(known, page(*range(START, START + 50), end=False)) == "single"
    assert "incremental/ticket_events" not in "".join(known.asked)


async def test_what_has_been_imported_before_a_pause_is_not_counted_again() -> None:
    bench = BulkCommentsBench("auto", **SLOW)
    bench.count, bench.record.fetched = 100_000, 99_950
    assert await choose(bench, page(*range(START, START + 50), end=False)) == "single"
