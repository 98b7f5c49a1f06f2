"""The types and the client, held against answers recorded from real accounts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from schemas.errors import RefusedError
from schemas.outside import Lenient
from schemas.zendesk import Ticket
from schemas.zendesk_pages import COMMENTS_PAGE, EXPORT_PAGE, GROUPS_PAGE, ORGANIZATIONS, USERS
from streams.sources.files.refusals import NoTicketsError
from streams.sources.files.shape import other_than_ticket
from streams.sources.zendesk.check import whoami
from streams.sources.zendesk.comments import fetch_comments
from streams.sources.zendesk.export import change_from_row
from streams.sources.zendesk.export_file import FileTicket, read_export_file
from streams.sources.zendesk.people import People
from streams.sources.zendesk.responses import read_heading
from tests.odd_values import RECORDED
from tests.zendesk_fixtures import client_of

pytestmark = pytest.mark.skipif(RECORDED is None, reason="the recorded answers are not here")


def recorded(name: str) -> dict[str, Any]:
    assert RECORDED is not None
    found: dict[str, Any] = json.loads((RECORDED / f"{name}.json").read_text())["response"]
    return found


def replayed(name: str) -> httpx.Response:
    """The answer as it came over the wire, headers in their own case."""
    answer = recorded(name)
    headers = [(key, value) for key, values in answer["headers"].items() for value in values]
    return httpx.Response(answer["status"], headers=headers, content=json.dumps(answer["body"]).encode())


@pytest.mark.parametrize(
    ("name", "reader", "part", "field"),
    [
        ("get-tickets_id_comments-200", COMMENTS_PAGE, "comments", "comments"),
        ("get-users_show_many-200", USERS, "", "users"),
        ("get-users-200", USERS, "", "users"),
        ("get-organizations_show_many-200", ORGANIZATIONS, "rows", "organizations"),
        ("get-groups-200", GROUPS_PAGE, "rows", "groups"),
    ],
)
def test_a_recorded_page_decodes_with_nothing_lost(
    name: str, reader: Lenient[Any, Any], part: str, field: str
) -> None:
    body = recorded(name)["body"]
    page = reader.decode(json.dumps(body).encode())
    rows = getattr(page, part) if part else page
    assert len(rows) == len(body[field]) > 0
    for row, real in zip(rows, body[field], strict=True):
        assert row.id == real["id"]
        assert getattr(row, "name", "") == real.get("name", "")
        assert getattr(row, "plain_body", None) == real.get("plain_body")
        assert getattr(row, "public", None) == real.get("public")


@pytest.mark.parametrize(
    "name", ["get-tickets_show_many-200", "get-tickets-200", "get-views_id_tickets-200", "get-tickets_id-200"]
)
def test_every_recorded_ticket_is_a_change(name: str) -> None:
    body = recorded(name)["body"]
    rows = body["tickets"] if "tickets" in body else [body["ticket"]]
    assert rows
    for real in rows:
        change = change_from_row(json.dumps(real).encode(), account="acme", source="live")
        assert change.ticket_id == real["id"] and change.version > 1_500_000_000
        for field in Ticket.__struct_fields__:
            if field in real:
                assert getattr(change.ticket, field) == real[field]


def test_an_export_page_is_read_whole_and_row_by_row() -> None:
    """No export of tickets was recorded; that of users has the same frame."""
    frame = recorded("get-incremental_users_cursor-200")["body"]
    rows = recorded("get-tickets_show_many-200")["body"]["tickets"]
    page = EXPORT_PAGE.decode(json.dumps({**frame, "tickets": rows}).encode())
    assert (page.after_cursor, page.end_of_stream) == (frame["after_cursor"], frame["end_of_stream"])
    assert len(page.users) == len(frame["users"])
    found = [change_from_row(row, account="a", source="live").ticket_id for row in page.tickets]
    assert found == [row["id"] for row in rows]


async def test_the_client_reads_recorded_answers() -> None:
    comments = await fetch_comments(client_of(lambda _: replayed("get-tickets_id_comments-200")), 33, "live")
    assert comments.comments[0].attachments[0].file_name == "README.md"
    me = await whoami(client_of(lambda _: replayed("get-users_me-200")))
    assert (me.id, me.role) == (6130907993114, "admin")
    users = [row["id"] for row in recorded("get-users_show_many-200")["body"]["users"]][:100]
    names, calls = await People(client_of(lambda _: replayed("get-users_show_many-200"))).names(
        users=users, lane="live"
    )
    assert calls == 1 and all(names.user(one) for one in users)
    groups = recorded("get-groups-200")["body"]
    if not groups["meta"]["has_more"]:
        names, _ = await People(client_of(lambda _: replayed("get-groups-200"))).names(
            groups=[groups["groups"][0]["id"]], lane="live"
        )
        assert names.group(groups["groups"][0]["id"]) == groups["groups"][0]["name"]


@pytest.mark.parametrize("name", ["put-tickets_id-404", "post-users_create_many-400", "delete-users_id-404"])
async def test_recorded_refusals_are_final(name: str) -> None:
    client = client_of(lambda _: replayed(name))
    with pytest.raises(RefusedError) as caught:
        await whoami(client)
    assert caught.value.status == recorded(name)["status"] and client.calls == 1


def test_limit_headers_are_found_in_every_recorded_answer_that_has_them() -> None:
    seen = 0
    assert RECORDED is not None
    for path in sorted(RECORDED.glob("get-*.json")):
        headers = recorded(path.stem)["headers"]
        heading = read_heading([(key.encode(), values[0].encode()) for key, values in headers.items()])
        left = {
            values[0]
            for key, values in headers.items()
            if key.lower().endswith(("rate-limit-remaining", "ratelimit-remaining"))
        }
        if left:
            seen += 1
            assert heading.remaining == float(left.pop())
        if any(key.lower() in ("ratelimit-reset", "rate-limit-reset") for key in headers):
            assert heading.reset is not None
    assert seen > 10


RECORDED_ANSWERS = sorted(path.stem for path in RECORDED.glob("get-*-200.json")) if RECORDED else []


def rows_of_answer(body: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Every record of an answer, with the key it stands under."""
    return [
        (key, row)
        for key, value in body.items()
        for row in (value if isinstance(value, list) else [value])
        if isinstance(row, dict) and key not in ("meta", "links")
    ]


@pytest.mark.parametrize("name", RECORDED_ANSWERS)
@pytest.mark.parametrize("without", ["", "url"])
def test_every_recorded_ticket_is_one_and_nothing_else_is(name: str, without: str) -> None:
    for key, row in rows_of_answer(recorded(name)["body"]):
        bare = {field: value for field, value in row.items() if field != without}
        is_ticket = other_than_ticket(json.dumps(bare).encode()) is None
        assert is_ticket == (key in ("ticket", "tickets")), (name, key, bare)


@pytest.mark.parametrize("name", RECORDED_ANSWERS)
def test_a_recorded_answer_as_a_file_is_read_or_refused(tmp_path: Path, name: str) -> None:
    body = recorded(name)["body"]
    tickets = [row["id"] for key, row in rows_of_answer(body) if key in ("ticket", "tickets")]
    rows = [row for _, row in rows_of_answer(body)]
    for number, text in enumerate(
        (json.dumps(body), json.dumps(rows, indent=1), "\n".join(map(json.dumps, rows)))
    ):
        path = tmp_path / f"{number}.json"
        path.write_text(text)
        if not tickets:
            with pytest.raises(NoTicketsError):
                list(read_export_file(path, account="acme"))
            continue
        found = list(read_export_file(path, account="acme"))
        assert [one.change.ticket_id for one in found if isinstance(one, FileTicket)] == tickets
        assert len(found) == len(tickets)
