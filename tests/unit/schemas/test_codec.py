"""Messages as bytes and back, and what bytes that are no message get."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import SCHEMAS, decode, decode_value, encode, headers_of, peek, schema_header
from schemas.errors import DecodeError, PermanentError, UnknownSchemaError
from schemas.logins import LoginBegun, LoginClaim, LoginDead, LoginPair
from schemas.messages.dead_letters import DeadLetter, DeadLetterVerdict
from schemas.messages.imports import ImportCommand, ImportRecord, ImportSpec, StageCounts, StageProgress
from schemas.messages.reconcile import ReconcileReport
from schemas.messages.tickets import (
    CommentEvents,
    CommentsPart,
    EmbeddedPart,
    EnrichedPart,
    ForgetHeldComments,
    Origin,
    Passage,
    Receipt,
    TicketChange,
    TicketHint,
)
from schemas.messages.workers import Trouble, WorkerState
from schemas.parts import ManyChunks, PartRef, Parts
from schemas.testing import a_change, a_ticket, an_embedded, an_enriched
from schemas.zendesk import Attachment, Comment, User
from tests.shared_fixtures import QUICK

TEXT = st.text(max_size=30)  # hypothesis leaves surrogates out, as UTF-8 does
IDS = st.integers(1, 2**63 - 1)


def round_trip(message: Any) -> Any:
    return decode(type(message), encode(message), headers_of(message))


@QUICK
@given(
    TEXT,
    TEXT,
    st.lists(TEXT, max_size=3),
    IDS,
    st.floats(0, 4e9),
    st.none() | st.lists(st.builds(Comment, id=IDS, public=st.booleans(), body=st.none() | TEXT), max_size=2),
)
def test_a_change_comes_back_as_it_was(
    subject: str, description: str, tags: list[str], number: int, at: float, comments: list[Comment] | None
) -> None:
    ticket = a_ticket(number, subject=subject, description=description, tags=tags)
    change = a_change(number, ticket, changed_at=at, comments=comments, import_id=subject)
    assert round_trip(change) == change


PARTS = Parts("0123456789abcdef", 3, [PartRef(7, "beef"), PartRef(9, "cafe")])
IN_PIECES = [
    a_change(parts=PARTS),
    an_enriched(parts=PARTS),
    an_embedded(parts=PARTS, many=ManyChunks(300, 20, "00ff")),
]
EVERY = [
    *IN_PIECES,
    CommentsPart(account="acme", ticket_id=1, comments=[Comment(id=1, public=False)]),
    EnrichedPart(account="acme", ticket_id=1, passages=[]),
    EmbeddedPart(account="acme", ticket_id=1, chunks=an_embedded(public=["a"]).chunks),
    a_change(comments=[Comment(id=1, public=False, attachments=[Attachment(id=2, file_name="ü.png")])]),
    a_change(users=[User(id=1, name="名前")], organization="Ünï", source="file"),
    an_enriched(
        passages=[Passage(comment_id=1, visibility="public", author="Ann", created_at="", text="🔥")]
    ),
    an_enriched(removed=True, import_id="i1", zendesk_calls=3),
    an_embedded(public=["a", "b"], internal=["c"]),
    TicketHint(account="acme", ticket_id=1, hinted_at=1.5, event="ticket.merged"),
    CommentEvents(account="acme", ticket_id=1, held_for="i1", comments=[Comment(id=1, public=False)]),
    ForgetHeldComments(account="acme", keep=["i2"]),
    Receipt(
        account="acme",
        ticket_id=1,
        version=2,
        outcome="removed",
        changed_at=1.5,
        indexed_at=2.5,
        origin=Origin("t", 1, 2),
    ),
    DeadLetter(
        id="ab",
        stage="enrich",
        topic="t",
        partition=1,
        offset=2,
        key=None,
        value="AA==",
        headers=[("schema", "eA=="), ("schema", "eQ==")],
        error_type="DecodeError",
        message="no",
        failed_at=1.0,
        line=7,
    ),
    ReconcileReport(at=1.5, account=3, indexed=2, drift={"missing": 1}),
    WorkerState(worker="w", at=1.5, troubles=[Trouble("login", 1.0, "no")]),
    DeadLetterVerdict(dead_letter_id="ab", verdict="retried", at=1.5),
    StageProgress(
        account="acme",
        import_id="i",
        stage="enrich",
        partition=3,
        counts=StageCounts(through={"t": 5}, sent=2),
    ),
    ImportCommand(command="start", account="acme", import_id="i", issued_at=1.0, spec=ImportSpec(since=7)),
    ImportRecord(
        id="i",
        account="acme",
        status="running",
        spec=ImportSpec(file="/tickets.ndjson"),
        started_at=1.0,
        updated_at=2.0,
        stages={"embed/3": StageCounts(sent=1)},
        errors=["no"],
    ),
    LoginBegun(1, "c"),
    LoginClaim("c", 1, "me", 10.0),
    LoginPair(1, "c", 2, 1.5, 2.5, 3.5, "refused", "host, process 7", "key", "c2VhbGVk"),
    LoginDead("c", 2, "why"),
]


@pytest.mark.parametrize("message", EVERY, ids=lambda message: type(message).__name__)
def test_every_kind_of_message_comes_back_as_it_was(message: Any) -> None:
    assert round_trip(message) == message
    json.loads(encode(message))  # values are JSON for any reader


@pytest.mark.parametrize("message", IN_PIECES, ids=lambda message: type(message).__name__)
def test_an_earlier_release_does_not_take_a_ticket_in_parts_for_an_empty_one(
    message: Any,
) -> None:
    whole = msgspec.structs.replace(message, parts=None)
    assert headers_of(message) != headers_of(whole) == [schema_header(type(message))]


def test_every_kind_was_tried_and_has_a_name_of_its_own() -> None:
    assert {type(message) for message in EVERY} == set(SCHEMAS)
    assert len(set(SCHEMAS.values())) == len(SCHEMAS)
    assert all(name.rpartition("/")[2].isdigit() for name in SCHEMAS.values())


def test_the_header_names_type_and_version() -> None:
    assert headers_of(a_change()) == [("schema", b"ticket-change/1")]
    assert schema_header(Receipt) == ("schema", b"receipt/1")


@QUICK
@given(st.text(st.characters(), max_size=20))
def test_text_that_utf8_cannot_carry_is_replaced(text: str) -> None:
    # Lone surrogates, anywhere: in a text, a list, a tuple, a key.
    text = f"{text}\ud800"
    clean = text.encode("utf-8", "replace").decode()
    change = a_change(ticket=a_ticket(subject=text, tags=[text]))
    back = round_trip(change)
    assert (back.ticket.subject, back.ticket.tags) == (clean, [clean])
    assert msgspec.json.decode(encode((text, [text]))) == [clean, [clean]]
    assert msgspec.json.decode(encode({text: {"a": text}})) == {clean: {"a": clean}}


def test_a_message_without_a_schema_is_refused() -> None:
    value = encode(a_change())
    for headers in (None, [], [("other", b"ticket-change/1")]):
        with pytest.raises(UnknownSchemaError, match="no header 'schema'; expected 'ticket-change/1'"):
            decode(TicketChange, value, headers)


@pytest.mark.parametrize("name", [b"ticket-change/2", b"receipt/1", b"", b"\xff" * 5_000])
def test_another_type_or_version_is_refused(name: bytes) -> None:
    with pytest.raises(UnknownSchemaError, match="this release reads 'ticket-change/1'") as caught:
        decode(TicketChange, encode(a_change()), [("schema", name)])
    assert len(str(caught.value)) < 600


def test_other_headers_do_not_matter() -> None:
    change = a_change()
    headers = [("trace", b"1"), *headers_of(change), ("schema", b"later")]
    assert decode(TicketChange, encode(change), headers) == change


NESTED = b"[" * 200_000 + b"]" * 200_000
BROKEN = {
    "empty": b"",
    "no JSON": b"hello",
    "no UTF-8": b"\xff\xfe",
    "null": b"null",
    "a list": b"[]",
    "no fields": b"{}",
    "wrong type": b'{"account": 7}',
    "cut off": encode(a_change())[:-1],
    "something after it": encode(a_change()) + b"x",
    "lone surrogate": encode(a_change()).replace(b"acme", b"\\ud800"),
    "null in place of a text": encode(a_change()).replace(b'"acme"', b"null"),
    "unknown source": encode(a_change()).replace(b'"live"', b'"fax"'),
    "a number of 5,000 digits": encode(a_change(version=5)).replace(
        b'"version":5', b'"version":1' + b"0" * 5_000
    ),
    "deep nesting": NESTED,
    "deep nesting in a field nobody reads": b'{"x":' + NESTED + b"}",
}


@pytest.mark.parametrize("name", BROKEN)
def test_bytes_that_are_no_message_are_refused_for_good(name: str) -> None:
    with pytest.raises(DecodeError, match="not a ticket-change/1: ") as caught:
        decode(TicketChange, BROKEN[name], headers_of(a_change()))
    assert isinstance(caught.value, PermanentError)
    assert len(str(caught.value)) < 300


def test_no_value_at_all_is_refused() -> None:
    with pytest.raises(DecodeError, match="empty; expected 'ticket-change/1'"):
        decode_value(TicketChange, None)


@QUICK
@given(st.binary(max_size=60))
def test_no_bytes_make_it_fail_otherwise(raw: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_value(TicketChange, raw)


def test_fields_of_a_later_release_are_ignored() -> None:
    change = a_change()
    value = encode(change)[:-1] + b',"mood":"angry"}'
    assert decode_value(TicketChange, value) == change


class Told(msgspec.Struct):
    version: int
    source: str = ""


def test_a_look_at_some_fields_reads_the_rest_of_the_message_past_them() -> None:
    told = peek(encode(a_change(version=9)), Told)
    assert told == Told(9, "live")


@pytest.mark.parametrize("value", [None, b"", b"{}", b"[]", b'{"version": "9"}', b"\xff", NESTED])
def test_a_look_at_what_cannot_be_read_finds_nothing(value: bytes | None) -> None:
    assert peek(value, Told) is None
