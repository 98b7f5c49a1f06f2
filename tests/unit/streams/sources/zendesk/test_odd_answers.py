"""Answers with anything anywhere: an odd row is its own error or none, and nothing internal gets public."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.codec import decode, encode, headers_of
from schemas.errors import CredentialsError, DecodeError, UnavailableError
from schemas.messages.tickets import Origin, TicketChange
from schemas.outside import UNREADABLE, id_of
from schemas.zendesk import Comment
from schemas.zendesk_pages import COMMENTS_PAGE, EVENTS_PAGE, EXPORT_PAGE, GROUPS_PAGE, ORGANIZATIONS, USERS
from schemas.zendesk_pages import TICKETS as TICKETS_BY_ID
from schemas.zendesk_rows import comment_of, ticket_of
from streams.sources.zendesk.check import whoami
from streams.sources.zendesk.client import ZendeskClient
from streams.sources.zendesk.count import count_tickets
from streams.sources.zendesk.export import change_from_row
from streams.sources.zendesk.export_file import change_from_line
from streams.sources.zendesk.responses import read_heading
from streams.sources.zendesk.sideloads import Sideloads
from streams.sources.zendesk.ticket_events import TicketEvent, take_in
from streams.transforms.names import Names
from streams.transforms.whole_ticket import enriched_ticket
from tests.odd_values import MISSING, ODD, paths_in, recorded, wire, with_odd
from tests.zendesk_fixtures import client_of

FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
TICKET = {
    "id": 103,
    "created_at": "2024-01-01T00:00:00Z",
    "updated_at": "2024-01-02T00:00:00Z",
    "status": "open",
    "subject": "Printer",
    "description": "It burns",
    "priority": "high",
    "tags": ["vip", "printer"],
    "requester_id": 7,
    "submitter_id": 8,
    "assignee_id": None,
    "organization_id": 9,
    "group_id": 10,
    "brand_id": 11,
    "is_public": False,
    "generated_timestamp": 1704153600,
    "custom_fields": [{"id": 1, "value": None}],
}
COMMENT = {
    "id": 5,
    "type": "Comment",
    "public": False,
    "created_at": "2024-01-01T00:00:00Z",
    "author_id": 7,
    "body": "secret",
    "plain_body": "secret",
    "html_body": "<p>secret</p>",
    "attachments": [{"id": 1, "file_name": "a.txt", "content_type": "text/plain"}],
    "data": {"transcription_text": None},
}
USER = {"id": 7, "name": "Ann", "email": "ann@example.org", "role": "agent", "organization_id": 9}
TICKETS = [TICKET, *(recorded("get-tickets_show_many-200") or {"tickets": []})["tickets"][:3]]
COMMENTS = [COMMENT, *(recorded("get-tickets_id_comments-200") or {"comments": []})["comments"][:3]]
USERS_SEEN = [USER, *(recorded("get-users_show_many-200") or {"users": []})["users"][:3]]


@st.composite
def odd(draw: st.DrawFn, values: list[Any]) -> tuple[Any, Any]:
    """A value as it was, and with one to three odd places."""
    value = draw(st.sampled_from(values))
    changed = value
    for _ in range(draw(st.integers(1, 3))):
        if paths := list(paths_in(changed)):
            changed = with_odd(changed, draw(st.sampled_from(paths)), draw(ODD))
    return value, changed


def page_of(*rows: Any, **more: Any) -> bytes:
    return wire({"tickets": list(rows), "after_cursor": "c", "end_of_stream": True, **more})


@given(odd(TICKETS), st.sampled_from(TICKETS))
@FUZZ
def test_an_odd_ticket_is_read_or_an_error_of_its_own(one: tuple[Any, Any], other: Any) -> None:
    _, changed = one
    before, row, after = EXPORT_PAGE.decode(page_of(other, changed, other)).tickets
    expected = change_from_row(wire(other), account="a", source="import")
    assert change_from_row(before, account="a", source="import") == expected
    assert change_from_row(after, account="a", source="import") == expected
    try:
        change = change_from_row(row, account="a", source="import")
    except DecodeError as error:
        number = id_of(changed.get("id"))
        # Without an id, or without anything that says how new it is.
        assert number is None or number > 2**53 or "not a time" in str(error)
        return
    # Public only by its own word.
    assert change.ticket.is_public is (changed.get("is_public") is True)
    sent = encode(change)
    assert decode(TicketChange, sent, headers_of(change)) == change
    whole = enriched_ticket(change, [], Names(), origin=Origin("t", 0, 0), now=1.0)
    encode(whole)
    for time in (whole.facts.created_at, whole.facts.updated_at):
        assert time == "" or (time.endswith("Z") and "1970" <= time[:4] <= "2099")


@given(odd(COMMENTS), st.booleans())
@FUZZ
def test_an_odd_comment_never_becomes_public(one: tuple[Any, Any], inner: bool) -> None:
    _, changed = one
    body = {"comments": [COMMENT, changed, COMMENT], "users": [USER], "meta": {"has_more": False}}
    found = COMMENTS_PAGE.decode(wire(body)).comments
    assert [found[0], found[2]] == [comment_of(wire(COMMENT))] * 2
    assert found[1].public is (changed.get("public") is True)
    msgspec.json.decode(encode(found), type=list[Comment])
    told: dict[int, Any] = {}
    event = {**changed, "event_type": "Comment"}
    take_in(msgspec.Raw(wire(event)), TicketEvent(1, "", []), told)
    for comment in told[1].comments:
        assert comment.public is (changed.get("public") is True)
        assert told[1].doubtful or isinstance(changed.get("public"), bool)
    line = wire({**TICKET, "comments": [COMMENT, changed], "organization": changed, "requester": changed})
    change = change_from_line(line, account="a")
    assert change.comments is not None and change.comments[1] == found[1]


@given(odd([{"users": USERS_SEEN, "next_page": None}]))
@FUZZ
def test_an_odd_user_costs_nobody_else_the_name(one: tuple[Any, Any]) -> None:
    usual, changed = one
    try:
        users = USERS.decode(wire(changed))
    except UNREADABLE:
        assert not isinstance(changed.get("users", 0), list | None)
        return
    names = {user.id: user.name for user in users}
    rows = changed["users"] or []
    for row in rows:
        if isinstance(row, dict) and row in usual["users"] and rows.count(row) == 1:
            assert row["id"] in names


PAGES = [
    (
        EXPORT_PAGE,
        {"tickets": [TICKET], "after_cursor": "c", "end_of_stream": False, "users": [USER]},
        "tickets",
    ),
    (
        COMMENTS_PAGE,
        {"comments": [COMMENT], "users": [USER], "meta": {"has_more": True}, "links": {"next": "u"}},
        "comments",
    ),
    (
        GROUPS_PAGE,
        {"groups": [{"id": 1, "name": "x"}], "meta": {"has_more": True, "after_cursor": "c"}},
        "groups",
    ),
    (ORGANIZATIONS, {"organizations": [{"id": 1, "name": "x"}]}, "organizations"),
    (
        EVENTS_PAGE,
        {"ticket_events": [{"ticket_id": 1}], "end_of_stream": True, "end_time": 5},
        "ticket_events",
    ),
]


@given(st.sampled_from(PAGES), st.data())
@FUZZ
def test_an_odd_page_is_read_unless_its_list_is_none(page: tuple[Any, Any, str], data: st.DataObject) -> None:
    reader, usual, name = page
    value = data.draw(ODD)
    changed = with_odd(usual, (data.draw(st.sampled_from(sorted(usual))),), value)
    try:
        found = reader.decode(wire(changed))
    except (DecodeError, *UNREADABLE):
        # No list of comments would be taken for a ticket that nobody has written to.
        assert changed.get(name, MISSING) is MISSING or changed[name] is not None or name == "comments"
        assert not isinstance(changed.get(name), list) or name == "comments"
        return
    if reader is EXPORT_PAGE:
        Sideloads.of(found)


@pytest.mark.parametrize(("reader", "name"), [(COMMENTS_PAGE, "comments"), (TICKETS_BY_ID, "tickets")])
def test_no_list_is_no_answer_where_its_rows_would_be_missed(reader: Any, name: str) -> None:
    with pytest.raises(UNREADABLE):
        reader.decode(wire({name: None}))
    reader.decode(wire({name: []}))


@given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
@FUZZ
def test_bytes_that_are_nothing_are_an_error_and_no_other(data: bytes) -> None:
    for reader in (EXPORT_PAGE, COMMENTS_PAGE, USERS):
        with pytest.raises(UNREADABLE):
            reader.decode(data)
    with pytest.raises(DecodeError):
        ticket_of(data)


@pytest.mark.parametrize(
    ("field", "value", "read"),
    [
        ("id", "103", 103),
        ("id", 103.0, 103),
        ("status", None, ""),
        ("subject", None, None),
        ("subject", 17, "17"),
        ("subject", "a\ud800b", "a\ufffdb"),
        ("subject", "\ud83d\ude00 \\ud800", "\U0001f600 \\ud800"),
        ("subject", "nul\0", "nul"),
        ("tags", None, []),
        ("tags", "vip", []),
        ("tags", [None, 5, "x", {}, ""], ["5", "x"]),
        ("requester_id", "7", 7),
        ("requester_id", -1, -1),
        ("requester_id", 2**63, None),
        ("requester_id", True, None),
        ("is_public", None, False),
        ("is_public", "true", False),
        ("is_public", 1, False),
        ("is_public", MISSING, False),
        ("is_public", True, True),
        ("created_at", None, ""),
        ("created_at", "soon", ""),
        ("created_at", "2024-05-01", "2024-05-01T00:00:00Z"),
        ("updated_at", "2024-05-01 02:00:00 +0200", "2024-05-01T00:00:00Z"),
        ("updated_at", None, "2024-01-02T00:00:00Z"),
        ("updated_at", "soon", "2024-01-02T00:00:00Z"),
        ("generated_timestamp", "1704153601", 1704153601),
        ("generated_timestamp", 1704153600000, None),
    ],
)
def test_what_is_made_of_a_field(field: str, value: Any, read: Any) -> None:
    ticket = ticket_of(wire(with_odd(TICKET, (field,), value)))
    assert getattr(ticket, field) == read


def test_a_ticket_without_any_time_is_older_than_every_other_state() -> None:
    change = change_from_row(b'{"id": 5}', account="a", source="live")
    assert (change.version, change.changed_at, change.ticket.updated_at) == (0, 0.0, "")
    change = change_from_row(wire({"id": 5, "created_at": "2024-01-01"}), account="a", source="live")
    assert (change.version, change.ticket.updated_at) == (1704067200, "2024-01-01T00:00:00Z")


def test_what_msgspec_refuses_is_repaired() -> None:
    row = wire({**TICKET, "custom": 0}).replace(b'"custom": 0', b'"custom": ' + b"[" * 5_000 + b"]" * 5_000)
    numbers = wire({**TICKET, "brand_id": 0}).replace(b'"brand_id": 0', b'"brand_id": 1e400')
    digits = wire({**TICKET, "brand_id": 0}).replace(b'"brand_id": 0', b'"brand_id": -' + b"7" * 5_000)
    raw = wire(TICKET).replace(b"Printer", b"Pr\xffin\x01ter\xed\xa0\x80")
    for odd_row in (row, numbers, digits, raw):
        page = b'{"tickets": [%s, %s], "after_cursor": null, "end_of_stream": true}' % (odd_row, wire(TICKET))
        first, second = (ticket_of(each) for each in EXPORT_PAGE.decode(page).tickets)
        assert second == ticket_of(wire(TICKET)) and first.id == 103
    assert ticket_of(raw).subject == "Pr\ufffdin ter\ufffd\ufffd\ufffd"


@pytest.mark.parametrize("value", [None, MISSING, "true", 1, 0, [], {}, "false"])
def test_a_comment_that_does_not_say_is_internal(value: Any) -> None:
    assert not comment_of(wire(with_odd(COMMENT, ("public",), value))).public


def test_a_comment_keeps_its_text_whatever_else_is_odd() -> None:
    row = {
        "id": None,
        "public": True,
        "plain_body": None,
        "html_body": "<p>x</p>",
        "attachments": [None, {"file_name": "f", "content_type": None}],
        "data": [],
    }
    comment = comment_of(wire(row))
    assert (comment.id, comment.public, comment.html_body) == (0, True, "<p>x</p>")
    assert [each.file_name for each in comment.attachments] == ["f"]
    for nothing in (b"3", b'"text"', b"[]"):
        with pytest.raises(DecodeError):
            comment_of(nothing)


def answers(body: Any) -> ZendeskClient:
    return client_of(lambda _: httpx.Response(200, content=wire(body)), attempts=1)


@given(odd([{"user": USER}]))
@FUZZ
def test_an_odd_login_is_somebody_nobody_or_an_answer_that_is_none(one: tuple[Any, Any]) -> None:
    _, changed = one
    try:
        me = asyncio.run(whoami(answers(changed)))
    except CredentialsError:
        user = changed["user"]
        assert user is None or id_of(user.get("id")) is None
    except UnavailableError:
        assert not isinstance(changed.get("user", 0), dict | None)
    else:
        assert me.id > 0 and all(isinstance(each, str) for each in (me.name, me.email, me.role))


@pytest.mark.parametrize(
    ("search", "plain", "found"),
    [
        ({"count": 7}, {}, 7),
        ({"count": "7"}, {}, 7),
        ({"count": -7}, {}, None),
        ({"count": None}, {"count": {"value": 8}}, 8),
        ({"count": {}}, {"count": {"value": 8.0}}, 8),
        ({"count": None}, {"count": None}, None),
        ({"count": []}, {"count": {"value": True}}, None),
    ],
)
async def test_an_odd_count_is_asked_for_otherwise(search: Any, plain: Any, found: int | None) -> None:
    client = client_of(
        lambda request: httpx.Response(200, json=search if "search" in request.url.path else plain)
    )
    assert (await count_tickets(client, 0)).value == found


HEADER = st.sampled_from(
    (
        *("X-Rate-Limit-Remaining", "ratelimit-remaining", "Rate-Limit-Reset", "ratelimit-reset"),
        *("Retry-After", "Content-Type", "Content-Encoding", "zendesk-ratelimit-incremental-exports"),
    )
)
HEADER_VALUE = st.one_of(
    st.binary(max_size=20),
    st.floats().map(lambda number: str(number).encode()),
    st.sampled_from(
        (b"total=; remaining=; resets=", b"remaining=1e999;resets=-1", b"Mon, 99 Foo 99999 25:61:61 GMT")
    ),
    st.from_regex(
        rb"[A-Z][a-z]{2}, [0-9]{1,2} (Jan|Feb) [0-9]{1,5} [0-9]{2}:[0-9]{2}:[0-9]{2} (GMT|[+-][0-9]{4})"
    ),
)


@given(st.lists(st.tuples(HEADER.map(str.encode), HEADER_VALUE)))
@FUZZ
def test_odd_headers_say_nothing(headers: list[tuple[bytes, bytes]]) -> None:
    found = read_heading(headers)
    for number in (found.remaining, found.reset, found.retry_after, found.incremental_reset):
        assert number is None or 0 <= number < 1e10


def test_messages_from_before_are_read() -> None:
    """As an older release has sent them, with times as they came."""
    comment = {"id": 5, "public": True, "created_at": "yesterday", "author_id": -1, "body": "x"}
    ticket = {"id": 1, "created_at": "", "updated_at": "2024-05-01", "tags": ["a"], "is_public": False}
    value = {"account": "a", "ticket_id": 1, "version": 2, "changed_at": 3.0, "source": "live"}
    raw = json.dumps({**value, "ticket": ticket, "comments": [comment]}).encode()
    change = decode(TicketChange, raw, [("schema", b"ticket-change/1")])
    assert json.loads(encode(change)) == json.loads(raw)
