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


class Desk:
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
    desk = Desk()
    desk.record.comments = "bulk"
    for step in (10, 20, 30, 40):
        desk.events(event(1, step), to=START + step)
    await desk.ahead(START + 5, START + 20)
    # The second of a page's end may go on on the next one.
    assert (desk.record.events_from, desk.record.events, desk.record.source_calls) == (START + 30, 3, 3)
    assert [told.comments[0].id for told in desk.told] == [10, 20, 30]
    assert desk.saved == 3
    await desk.ahead(START + 25)
    assert len(desk.pages) == 1, "already read"
    await desk.ahead(START + 30)
    assert desk.asked == [
        "incremental/ticket_events?0",
        *(f"incremental/ticket_events?{START + step}" for step in (10, 20, 30)),
    ]


async def test_at_the_end_of_the_events_all_tickets_of_a_page_that_was_read_before_have_theirs() -> None:
    desk = Desk()
    desk.record.comments = "bulk"
    desk.events(to=START, end=True)
    await desk.ahead(START + 1_000)
    desk.events(to=START, end=True)
    await desk.ahead(START + 1_000)  # a later page is newer than that end
    assert (desk.record.comments, desk.pages) == ("bulk", [])


async def test_an_import_since_a_moment_starts_there() -> None:
    desk = Desk()
    desk.record.comments, desk.record.spec = "bulk", ImportSpec(since=START - 7)
    desk.events(to=START, end=True)
    await desk.ahead(START - 1)
    assert desk.asked == [f"incremental/ticket_events?{START - 7}"]


async def test_one_message_holds_what_a_page_tells_of_a_ticket() -> None:
    desk = Desk()
    desk.record.comments = "bulk"
    desk.events(event(1, 1), event(2, 2), event(1, 3), to=START, end=True)
    await desk.ahead(START)
    assert [(told.ticket_id, len(told.comments), told.held_for) for told in desk.told] == [
        (1, 2, "i1"),
        (2, 1, "i1"),
    ]
    assert [(sent.topic, sent.key) for sent in desk.producer.sent] == [
        (BACKFILL, b"acme:1"),
        (BACKFILL, b"acme:2"),
    ]


async def test_more_than_the_table_can_hold_is_asked_for() -> None:
    desk = Desk()
    desk.record.comments = "bulk"
    desk.events(event(1, 1, "x" * 600_000), event(2, 2), to=START, end=True)
    await desk.ahead(START)
    assert [(told.doubtful, len(told.comments)) for told in desk.told] == [(True, 0), (False, 1)]


async def test_events_that_name_no_ticket_end_the_bulk_way() -> None:
    desk = Desk()
    desk.record.comments = "bulk"
    desk.events(event(1, 1), event(None, 2), to=START)
    await desk.ahead(START)
    assert (desk.record.comments, desk.told, desk.pages) == ("single", [], [])


async def test_events_that_are_refused_end_the_bulk_way() -> None:
    desk = Desk("auto", **SLOW)
    desk.refuses = True
    desk.record.comments = "bulk"
    await desk.ahead(START)
    assert (desk.record.comments, desk.told) == ("single", [])
    desk.count = 100_000
    assert await choose(desk, page(*range(START, START + 50), end=False)) == "single"


@pytest.mark.parametrize(("wanted", "way"), [("auto", "single"), ("bulk", "bulk")])
async def test_what_is_read_in_vain_is_not_read_on(wanted: str, way: str) -> None:
    desk = Desk(wanted)
    desk.record.comments = "bulk"
    desk.record.stages = {"enrich/0": StageCounts(sent=400, calls=300), "enrich/1": StageCounts(sent=200)}
    desk.events(to=START, end=True)
    await desk.ahead(START - 1)
    assert desk.record.comments == "bulk", "half of them are no waste"
    desk.record.stages["enrich/1"] = StageCounts(sent=200, calls=1)
    desk.events(to=START, end=True)
    await desk.ahead(START + 1)
    assert desk.record.comments == way


SLOW = {"requests_per_minute": 200, "incremental_requests_per_minute": 10}


async def choose(desk: Desk, first: RawExportPage) -> str:
    await desk.bulk.choose(desk.record, first)
    return desk.record.comments


@pytest.mark.parametrize("wanted", ["single", "bulk"])
async def test_what_is_wanted_is_done_without_a_call(wanted: str) -> None:
    desk = Desk(wanted)
    assert await choose(desk, page(START, end=False)) == wanted
    assert desk.asked == []


async def test_a_large_account_is_read_in_bulk_and_its_first_events_are_not_read_twice() -> None:
    desk = Desk("auto", **SLOW)
    desk.count = 100_000
    desk.events(*(event(1, number) for number in range(1, 11)), to=START)
    assert await choose(desk, page(*range(START, START + 50), end=False)) == "bulk"
    assert [one.partition("?")[0] for one in desk.asked] == [
        "search/count",
        "incremental/tickets/cursor",
        "incremental/ticket_events",
    ]
    assert (desk.record.source_calls, desk.record.events_from, len(desk.told)) == (3, START, 1)


async def test_many_other_events_make_the_bulk_way_too_slow() -> None:
    desk = Desk("auto", **SLOW)
    desk.count = 100_000
    other = {"ticket_id": 1, "child_events": [{"event_type": "Change", "status": "open"}]}
    desk.events(event(1, 1), *[other] * 19, to=START)
    assert await choose(desk, page(*range(START, START + 50), end=False)) == "single"
    assert (desk.told, desk.record.events_from) == ([], 0)


async def test_a_small_or_known_account_or_one_without_counts_is_read_ticket_by_ticket() -> None:
    small = Desk("auto", **SLOW)
    assert await choose(small, page(*range(START, START + 50))) == "single"
    assert small.asked == []
    uncounted = Desk("auto", **SLOW)
    uncounted.count = 100_000
    assert await choose(uncounted, page(START, comments=None, end=False)) == "single"
    known = Desk("auto", **SLOW)
    known.count = 100_000
    known.seen = {
        b"acme:%d" % number: SeenTicket(START + 100, "", Origin(BACKFILL, 0, 0)) for number in range(51)
    }
    assert await choose(known, page(*range(START, START + 50), end=False)) == "single"
    assert "incremental/ticket_events" not in "".join(known.asked)


async def test_what_has_been_imported_before_a_pause_is_not_counted_again() -> None:
    desk = Desk("auto", **SLOW)
    desk.count, desk.record.fetched = 100_000, 99_950
    assert await choose(desk, page(*range(START, START + 50), end=False)) == "single"
