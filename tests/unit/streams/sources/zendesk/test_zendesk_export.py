"""Export pages, their rows, and all comments of a ticket."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import parse_qs

import httpx
import msgspec
import pytest

from schemas.errors import DecodeError, RefusedError
from streams.sources.zendesk import exchange as exchange_module
from streams.sources.zendesk.comments import fetch_comments
from streams.sources.zendesk.export import change_from_row, export_page
from streams.sources.zendesk.responses import AnswerTooLargeError
from tests.zendesk_fixtures import client_of

ROW = {
    "id": 4017,
    "created_at": "2023-09-18T23:34:35Z",
    "updated_at": "2023-09-18T23:34:36Z",
    "status": "open",
    "subject": "Printer",
    "generated_timestamp": 1695080999,
    "custom_fields": [{"id": 1, "value": None}],
}


def row(**fields: Any) -> bytes:
    return msgspec.json.encode({**ROW, **fields})


def test_a_row_is_a_change_whose_version_is_its_generated_timestamp() -> None:
    change = change_from_row(msgspec.Raw(row()), account="acme", source="import", import_id="i1")
    assert (change.account, change.ticket_id, change.source, change.import_id) == (
        "acme",
        4017,
        "import",
        "i1",
    )
    assert change.version == 1695080999
    assert change.changed_at == 1695080076.0
    assert change.ticket.subject == "Printer"


def test_without_a_generated_timestamp_the_version_is_the_update() -> None:
    change = change_from_row(row(generated_timestamp=None), account="acme", source="live")
    assert change.version == 1695080076


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"[]",
        b"{}",
        row(id="4017x"),
        row(id=True),
        row(id=0),
        row(id=2**53 + 1),
        row(id=2**63),
        row(updated_at="yesterday", generated_timestamp=None),
        row(updated_at="9999-12-31T23:59:59Z", generated_timestamp=None),
        b'{"x": ' + b"[" * 100_000,
    ],
)
def test_a_bad_row_is_an_error_of_its_own(raw: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        change_from_row(raw, account="acme", source="live")
    assert "\n" not in str(caught.value)


class Export:
    def __init__(self) -> None:
        self.queries: list[dict[str, list[str]]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/api/v2/incremental/tickets/cursor.json"
        query = parse_qs(request.url.query.decode())
        self.queries.append(query)
        rows = [ROW] * int(query["per_page"][0])
        return httpx.Response(200, json={"tickets": rows, "after_cursor": "b==", "end_of_stream": True})


async def test_the_first_page_has_a_start_and_the_next_a_cursor() -> None:
    export = Export()
    client = client_of(export)
    page = await export_page(client, start_time=17, cursor=None, per_page=2)
    assert len(page.tickets) == 2 and page.after_cursor == "b==" and page.end_of_stream
    await export_page(client, start_time=17, cursor="a+/=", per_page=2, lane="backfill")
    assert export.queries == [
        {"start_time": ["17"], "per_page": ["2"]},
        {"cursor": ["a+/="], "per_page": ["2"]},
    ]


async def test_a_start_within_the_last_minute_is_moved_back() -> None:
    export = Export()
    await export_page(client_of(export), start_time=int(time.time()), cursor=None, per_page=1)
    assert int(export.queries[0]["start_time"][0]) <= time.time() - 61 + 1


async def test_without_start_and_cursor_there_is_nothing_to_ask() -> None:
    with pytest.raises(ValueError, match="starts at"):
        await export_page(client_of(Export()), start_time=None, cursor=None)


async def test_a_page_over_the_size_limit_is_asked_for_in_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_module, "MAX_ANSWER_BYTES", 70 * len(row()))
    export = Export()
    page = await export_page(client_of(export), start_time=17, cursor=None, per_page=200)
    assert len(page.tickets) == 50
    assert [query["per_page"] for query in export.queries] == [["200"], ["100"], ["50"]]
    monkeypatch.setattr(exchange_module, "MAX_ANSWER_BYTES", 10)
    with pytest.raises(AnswerTooLargeError):
        await export_page(client_of(export), start_time=17, cursor=None, per_page=4)


def exports(**fields: Any) -> Any:
    body = {"tickets": [], "after_cursor": None, "end_of_stream": True, **fields}
    return client_of(lambda _: httpx.Response(200, json=body), attempts=1)


@pytest.mark.parametrize("cursor", [None, "old"])
@pytest.mark.parametrize("fields", [{}, {"end_of_stream": None}, {"tickets": None}, {"after_cursor": []}])
async def test_an_empty_page_without_a_cursor_stays_where_it_is(
    cursor: str | None, fields: dict[str, Any]
) -> None:
    page = await export_page(exports(**fields), start_time=17, cursor=cursor)
    assert (page.tickets, page.after_cursor, page.end_of_stream) == ([], cursor, True)


async def test_a_page_that_does_not_say_whether_it_is_the_last_is_none_while_it_has_rows() -> None:
    client = exports(tickets=[ROW], after_cursor=7, end_of_stream="yes")
    page = await export_page(client, start_time=17, cursor=None)
    assert (page.after_cursor, page.end_of_stream) == ("7", False)


async def test_an_export_that_goes_on_and_names_no_cursor_is_refused() -> None:
    with pytest.raises(RefusedError, match="no next page"):
        await export_page(exports(tickets=[ROW], end_of_stream=False), start_time=17, cursor=None)


class Thread:
    """The comments of a ticket, 100 a page, with paging as recorded: a last page names a next one too."""

    def __init__(self, comments: int) -> None:
        self.comments = [{"id": n, "public": True, "author_id": n % 3 + 1} for n in range(comments)]
        self.calls = 0
        self.sizes: list[int] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/api/v2/tickets/33/comments.json"
        query = parse_qs(request.url.query.decode())
        size = int(query["page[size]"][0])
        assert size <= 100 and query["include"] == ["users"]
        self.calls += 1
        self.sizes.append(size)
        start = int(query.get("page[after]", ["0=="])[0].rstrip("="))
        stop = start + size
        meta = {"has_more": stop < len(self.comments), "after_cursor": f"{stop}=="}
        users = [{"id": n + 1, "name": f"user {n}"} for n in range(3)]
        body = {"comments": self.comments[start:stop], "users": users, "meta": meta}
        return httpx.Response(200, json=body)


@pytest.mark.parametrize(("comments", "calls"), [(0, 1), (1, 1), (100, 1), (101, 2), (350, 4)])
async def test_every_page_of_comments_is_read(comments: int, calls: int) -> None:
    thread = Thread(comments)
    found = await fetch_comments(client_of(thread), 33, "backfill")
    assert [one.id for one in found.comments] == list(range(comments))
    assert {user.name for user in found.users} == {"user 0", "user 1", "user 2"}
    assert found.calls == thread.calls == calls


async def test_pages_of_comments_over_the_size_limit_are_asked_for_in_halves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exchange_module, "MAX_ANSWER_BYTES", 2_500)
    thread = Thread(120)
    found = await fetch_comments(client_of(thread), 33, "backfill")
    assert [one.id for one in found.comments] == list(range(120))
    assert thread.sizes[:3] == [100, 50, 50]
    assert found.calls == thread.calls
    monkeypatch.setattr(exchange_module, "MAX_ANSWER_BYTES", 10)
    with pytest.raises(AnswerTooLargeError):
        await fetch_comments(client_of(thread), 33, "backfill")


async def test_a_ticket_that_is_gone_is_a_404() -> None:
    with pytest.raises(RefusedError) as caught:
        await fetch_comments(client_of(lambda _: httpx.Response(404)), 33, "live")
    assert caught.value.status == 404


@pytest.mark.parametrize("meta", [None, "x", {"has_more": None}, {"has_more": "yes", "after_cursor": 5}])
async def test_pages_without_a_word_of_more_are_read_by_their_links(meta: Any) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params.get("page[after]", ""))
        rows = [{"id": 1, "public": True}] if len(asked) == 1 else []
        links = {"next": "https://acme.zendesk.com/api?page%5Bafter%5D=5%3D"}
        return httpx.Response(200, json={"comments": rows, "meta": meta, "links": links, "users": None})

    found = await fetch_comments(client_of(answer), 33, "live")
    assert len(found.comments) == 1 and asked[0] == "" and asked[1] in ("5=", "5")


@pytest.mark.parametrize(("rows", "refused"), [(99, False), (100, True)])
async def test_a_full_page_that_does_not_say_whether_more_follow_is_refused(rows: int, refused: bool) -> None:
    body = {"comments": [{"id": 1, "public": True}] * rows, "meta": None}
    client = client_of(lambda _: httpx.Response(200, json=body))
    if refused:
        with pytest.raises(RefusedError, match="may go on"):
            await fetch_comments(client, 33, "live")
    else:
        assert len((await fetch_comments(client, 33, "live")).comments) == rows


@pytest.mark.parametrize("cursor", [None, "same"])
async def test_pages_that_lead_nowhere_are_refused(cursor: str | None) -> None:
    page = {"comments": [], "meta": {"has_more": True, "after_cursor": cursor}}
    with pytest.raises(RefusedError, match="no next page"):
        await fetch_comments(client_of(lambda _: httpx.Response(200, json=page)), 33, "live")
