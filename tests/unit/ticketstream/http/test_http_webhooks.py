"""The receiver of webhooks: what it takes, what it refuses and counts, and that nothing makes it fail."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.errors import DecodeError
from schemas.messages.tickets import TicketHint
from streams.sources.zendesk.signature import TEST_SECRET, is_genuine, is_recent
from tests.http_fixtures import (
    MAX_BYTES,
    NOW,
    SECRET,
    Receiver,
    assert_problem,
    iso,
    receiver,
    signature,
    signed,
    ticket_event,
)
from ticketstream.http.webhooks import receiver as webhooks
from ticketstream.http.webhooks.payloads import Payload, read_payload
from ticketstream.http.webhooks.receiver import PATH

__all__ = ["receiver"]

FUZZ = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))

# The signature.


KEY, STAMP, BODY = (
    b"HRkRd4BeOAoUkfZr-mhauJT64rvBASlJRoIyPsd3zeA=",
    b"2021-07-25T10:00:00Z",
    b'{"say": "hello"}',
)
"""Secret, timestamp and body of the example in Zendesk's page "Verifying webhook authenticity"."""
VECTOR = b"Rry/4TtIdFyawtXXp8QdI6tlAUUQ/5kL1OTp5qo/ZIk="
"""printf '2021-07-25T10:00:00Z{"say": "hello"}' | openssl dgst -sha256 -hmac KEY -binary | base64"""


def test_a_signature_made_with_another_tool_is_genuine() -> None:
    assert is_genuine(KEY, STAMP, BODY, VECTOR)
    # The first edition of that page had the body before the timestamp. This was its example's signature.
    assert not is_genuine(KEY, STAMP, BODY, b"tRDSF7URY8BLCDlaBcQ7FHu051Zk+aAB0NKMP53teMw=")


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"x",
        VECTOR[:-1],
        VECTOR + b"=",
        VECTOR.lower(),
        b" " + VECTOR,
        b"\xff\xfe",
        VECTOR.replace(b"/", b"_"),
    ],
)
def test_nothing_else_is(given: bytes) -> None:
    assert not is_genuine(KEY, STAMP, BODY, given)
    for secret, moment, content in ((b"", STAMP, BODY), (KEY, STAMP + b" ", BODY), (KEY, STAMP, BODY + b" ")):
        assert not is_genuine(secret, moment, content, VECTOR)


def test_signatures_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return False

    monkeypatch.setattr("streams.sources.zendesk.signature.hmac.compare_digest", compare)
    assert not is_genuine(b"s", b"t", b"b", VECTOR)
    assert len(compared) == 1


@pytest.mark.parametrize(
    ("off", "recent"), [(0, True), (-300, True), (300, True), (-301, False), (301, False), (-1e9, False)]
)
def test_the_window_is_five_minutes_both_ways(off: float, recent: bool) -> None:
    assert is_recent(iso(NOW + off).encode(), NOW) is recent


@pytest.mark.parametrize(
    "stamp", [b"", b"now", b"1784000000", b"\xff", b"0001-01-01T00:00:00+23:59", b"9999-99"]
)
def test_what_is_no_time_is_not_recent(stamp: bytes) -> None:
    assert not is_recent(stamp, NOW)


# Payloads.


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        (
            ticket_event(),
            Payload(35436, "ticket.comment_added", "2b24ef10-19d4-4740-93cf-8f98ec4776c0", NOW - 20),
        ),
        (ticket_event(7), Payload(7, "ticket.comment_added", ticket_event()["id"], NOW - 20)),
        (ticket_event(None, id=5, time=3), Payload(35436, "ticket.comment_added")),
        (ticket_event(name="merged <b>", id="x" * 101, time="soon"), Payload(35436)),
        (
            {"type": "zen:event-type:messaging_ticket.message_added", "subject": "zen:ticket:9"},
            Payload(9, "messaging_ticket.message_added"),
        ),
        ({"ticket_id": "35436", "anything": {"else": 1}}, Payload(35436)),
        ({"ticket_id": 35436, "type": "incident"}, Payload(35436)),
        ({"ticket_id": 35436.0, "subject": "\ud800"}, Payload(35436)),
        ({"ticket_id": " 35436\n", "\udfff": ["\0"]}, Payload(35436)),
        ({"ticket": {"id": "35436", "title": "x"}}, Payload(35436)),
        ({"type": "zen:event-type:user.deleted", "subject": "zen:user:1", "detail": {"id": "1"}}, None),
        ({"type": "zen:event-type:article.published"}, None),
        ({}, None),
        ({"ticket": "35436"}, None),
        ({"id": 5}, None),
    ],
)
def test_payloads(payload: Any, told: Payload | None) -> None:
    assert read_payload(json.dumps(payload).encode()) == told


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b"null",
        b"ticket_id=3",
        b"<ticket/>",
        b"\xff\xfe{}",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        *(
            json.dumps(one).encode()
            for one in (
                {"ticket_id": value}
                for value in ("", "x", "-1", "1.0", "٣", 0, -1, 1.5, 1e300, True, None, [1], 2**63, "9" * 19)
            )
        ),
        json.dumps(ticket_event("x")).encode(),
        json.dumps(ticket_event(None, subject="zen:user:1")).encode(),
        json.dumps({"type": "zen:event-type:ticket.created"}).encode(),
        json.dumps({"ticket": {"id": "all"}}).encode(),
    ],
)
async def test_what_cannot_be_read_is_malformed(receiver: Receiver, body: bytes) -> None:
    with pytest.raises(DecodeError):
        read_payload(body)
    if len(body) < MAX_BYTES:
        assert_problem(await receiver.post(body), 400)
        assert receiver.count("refused", reason="malformed") == 1
        assert receiver.sender.hints == []


# The way through.


async def test_an_event_becomes_a_hint_and_nothing_of_its_text(receiver: Receiver) -> None:
    answer = await receiver.post(ticket_event())
    assert (answer.status_code, answer.json()) == (200, {"result": "produced"})
    (hint,) = receiver.sender.hints
    assert hint == TicketHint(
        account="acme", ticket_id=35436, hinted_at=NOW - 20, event="ticket.comment_added"
    )
    assert b"never used" not in msgspec.json.encode(hint)
    assert (receiver.count("received"), receiver.count("produced")) == (1, 1)


async def test_a_trigger_s_webhook_is_dated_when_it_comes_and_no_time_is_in_the_future(
    receiver: Receiver,
) -> None:
    await receiver.post({"ticket_id": "5"})
    await receiver.post(ticket_event(time=iso(NOW + 1e6)))
    assert [hint.hinted_at for hint in receiver.sender.hints] == [NOW, NOW]


async def test_what_concerns_no_ticket_is_accepted_and_ignored(receiver: Receiver) -> None:
    answer = await receiver.post({"type": "zen:event-type:user.deleted", "detail": {"id": "1"}})
    assert (answer.status_code, answer.json()) == (200, {"result": "ignored"})
    assert receiver.count("ignored") == 1
    assert receiver.sender.hints == []


async def test_a_forged_webhook_is_refused_before_it_is_read(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(_: bytes) -> None:
        raise AssertionError("a body was parsed before its signature was checked")

    monkeypatch.setattr(webhooks, "read_payload", read)
    assert_problem(await receiver.post(ticket_event(), secret="another"), 401)
    body, headers = signed(ticket_event())
    for change in (
        {"X-Zendesk-Webhook-Signature": ""},
        {"X-Zendesk-Webhook-Signature-Timestamp": iso(NOW + 1)},
        {"X-Zendesk-Webhook-Signature-Timestamp": ""},
    ):
        assert_problem(await receiver.client.post(PATH, content=body, headers=headers | change), 401)
    assert_problem(await receiver.client.post(PATH, content=body + b" ", headers=headers), 401)
    assert_problem(await receiver.client.post(PATH, content=body), 401)
    twice = [(name.encode(), value.encode()) for name, value in headers.items()]
    assert_problem(await receiver.raw(body, twice + twice[:1]), 401)
    assert receiver.count("refused", reason="forged") == 7
    assert receiver.sender.hints == []


async def test_the_test_of_a_webhook_not_saved_yet_is_told_as_one_and_never_taken(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "read_payload", None)
    with structlog.testing.capture_logs() as logs:
        answer = await receiver.post(ticket_event(), secret=TEST_SECRET.decode())
    assert_problem(answer, 401)
    assert "endpoint is reached" in answer.json()["detail"] and "Save the webhook" in answer.json()["detail"]
    (entry,) = logs
    assert (entry["reason"], entry["detail"]) == ("test", answer.json()["detail"])
    assert (receiver.count("refused", reason="test"), receiver.sender.hints) == (1, [])


@pytest.mark.parametrize("off", [-301, 301, -1e8])
async def test_a_stale_webhook_is_refused_before_it_is_read(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, off: float
) -> None:
    monkeypatch.setattr(webhooks, "read_payload", None)
    assert_problem(await receiver.post(ticket_event(), at=NOW + off), 401)
    assert receiver.count("refused", reason="stale") == 1
    assert receiver.sender.hints == []


async def test_a_signed_timestamp_that_is_no_time_is_stale(receiver: Receiver) -> None:
    body = b"{}"
    headers = {
        "X-Zendesk-Webhook-Signature": signature(body, "soon"),
        "X-Zendesk-Webhook-Signature-Timestamp": "soon",
    }
    assert_problem(await receiver.client.post(PATH, content=body, headers=headers), 401)
    assert receiver.count("refused", reason="stale") == 1


async def test_a_body_of_the_largest_size_is_taken_and_one_byte_more_is_not(receiver: Receiver) -> None:
    head, tail = b'{"ticket_id": 5, "x": "', b'"}'
    full = head + b"x" * (MAX_BYTES - len(head) - len(tail)) + tail
    assert (await receiver.post(full)).status_code == 200
    assert_problem(await receiver.post(b" " + full), 413)
    assert receiver.count("refused", reason="oversized") == 1


async def test_an_oversized_body_is_not_read_to_its_end(receiver: Receiver) -> None:
    parts = 0

    async def endless() -> Any:
        nonlocal parts
        parts += 1
        return {"type": "http.request", "body": b"x" * 1000, "more_body": True}

    start = await receiver.called(endless, (b"transfer-encoding", b"chunked"))
    assert start["status"] == 413
    assert parts == MAX_BYTES // 1000 + 1
    assert (b"connection", b"close") in start["headers"]
    parts = 0
    for length in (b"10001", b"9" * 5000):
        assert (await receiver.called(endless, (b"content-length", length)))["status"] == 413
    assert parts == 0


async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    receiver = Receiver(body_seconds=0.01)

    async def silent() -> Any:
        await asyncio.Event().wait()

    async def gone() -> Any:
        return {"type": "http.disconnect"}

    assert (await receiver.called(silent))["status"] == 408
    assert receiver.count("refused", reason="slow") == 1
    await receiver.called(gone)
    assert receiver.count("refused", reason="cut") == 1
    await receiver.client.aclose()


# Kafka away, and repeats.


async def test_without_kafka_it_is_to_be_sent_again_and_then_taken(receiver: Receiver) -> None:
    receiver.sender.away = True
    answer = await receiver.post(ticket_event())
    assert_problem(answer, 503)
    assert int(answer.headers["retry-after"]) > 0
    assert (await receiver.client.get("/healthz")).json() == {"status": "ok", "kafka": "away"}
    receiver.sender.away = False
    assert (await receiver.post(ticket_event())).json() == {"result": "produced"}
    assert (receiver.count("refused", reason="kafka"), receiver.count("produced")) == (1, 1)


async def test_no_answer_before_kafka_has_acknowledged(receiver: Receiver) -> None:
    receiver.sender.gate.clear()
    asking = asyncio.create_task(receiver.post(ticket_event()))
    while not receiver.sender.asked:
        await asyncio.sleep(0)
    for _ in range(50):
        await asyncio.sleep(0)
    assert not asking.done()
    receiver.sender.gate.set()
    assert (await asking).status_code == 200


async def test_repeats_are_dropped(receiver: Receiver) -> None:
    results = [
        (await receiver.post(ticket_event(), X_Zendesk_Webhook_Invocation_Id=str(number))).json()["result"]
        for number in range(3)
    ]
    assert results == ["produced", "repeated", "repeated"]
    other = {"X_Zendesk_Webhook_Id": "01H", "X_Zendesk_Webhook_Invocation_Id": "8350205582"}
    assert (await receiver.post({"ticket_id": 5}, **other)).json() == {"result": "produced"}
    assert (await receiver.post({"ticket_id": 5}, at=NOW + 9, **other)).json() == {"result": "repeated"}
    # An id of an invocation is not signed: it hides no other ticket's webhook.
    assert (await receiver.post({"ticket_id": 6}, **other)).json() == {"result": "produced"}
    # Without one, only the very same request is a repeat.
    assert (await receiver.post({"ticket_id": 7})).json() == {"result": "produced"}
    assert (await receiver.post({"ticket_id": 7})).json() == {"result": "repeated"}
    assert (await receiver.post({"ticket_id": 7}, at=NOW + 1)).json() == {"result": "produced"}
    assert receiver.count("repeated") == 4
    assert len(receiver.sender.hints) == 5


async def test_a_repeat_that_comes_meanwhile_shares_the_outcome(receiver: Receiver) -> None:
    receiver.sender.gate.clear()
    receiver.sender.away = True
    asking = [asyncio.create_task(receiver.post(ticket_event())) for _ in range(3)]
    while receiver.count("received") < 3:
        await asyncio.sleep(0)
    receiver.sender.gate.set()
    assert [answer.status_code for answer in await asyncio.gather(*asking)] == [503] * 3
    assert receiver.sender.asked == 1
    receiver.sender.away = False
    assert (await receiver.post(ticket_event())).json() == {"result": "produced"}


# Whatever comes.

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
PAYLOADS = (
    st.binary(max_size=200)
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["zen:event-type:ticket.created", "zen:event-type:user.x", "x"]) | JSON,
            "id": JSON,
            "time": st.sampled_from([iso(NOW), "0001-01-01T00:00:00+23:59"]) | JSON,
            "subject": st.sampled_from(["zen:ticket:1", "zen:ticket:" + "9" * 19]) | JSON,
            "detail": st.fixed_dictionaries({}, optional={"id": JSON}) | JSON,
            "ticket_id": JSON,
            "ticket": st.fixed_dictionaries({}, optional={"id": JSON}) | JSON,
        },
    ).map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass"))
)
HEADER = st.binary(max_size=40).filter(lambda raw: not set(raw) & {0, 10, 13})


@FUZZ
@given(PAYLOADS)
async def test_no_signed_body_makes_it_fail(body: bytes) -> None:
    receiver = Receiver()
    async with receiver.client:
        answer = await receiver.post(body)
    assert answer.status_code in (200, 400)
    produced = answer.status_code == 200 and answer.json()["result"] == "produced"
    assert len(receiver.sender.hints) == produced
    assert all(0 < hint.ticket_id < 2**63 for hint in receiver.sender.hints)


@FUZZ
@given(
    st.binary(max_size=300) | PAYLOADS,
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    b"x-zendesk-webhook-signature",
                    b"x-zendesk-webhook-signature-timestamp",
                    b"x-zendesk-webhook-invocation-id",
                    b"content-type",
                    b"content-encoding",
                    b"content-length",
                    b"accept",
                ]
            ),
            HEADER | st.just(iso(NOW).encode()),
        ),
        max_size=6,
    ),
)
async def test_no_request_makes_it_fail_and_none_gets_in_without_the_secret(
    body: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    receiver = Receiver()
    async with receiver.client:
        answer = await receiver.raw(body, headers)
    assert answer.status_code in (400, 401, 413)
    assert_problem(answer, answer.status_code)
    assert receiver.sender.hints == []


@FUZZ
@given(
    st.sampled_from(["GET", "PUT", "DELETE", "PATCH", "OPTIONS"]), st.sampled_from([PATH, "/metrics", "/no"])
)
async def test_other_methods_and_paths_are_problems_too(method: str, path: str) -> None:
    receiver = Receiver()
    async with receiver.client:
        answer = await receiver.client.request(method, path)
    if (method, path) != ("GET", "/metrics"):
        assert_problem(answer, 404 if path == "/no" else 405)


async def test_what_is_refused_is_logged_without_a_word_of_it_and_not_every_time(receiver: Receiver) -> None:
    with structlog.testing.capture_logs() as entries:
        for _ in range(20):
            await receiver.post(b"private words", secret="another")
            await receiver.post(b"private words")
        receiver.sender.away = True
        await receiver.post(ticket_event())
    warnings = [entry for entry in entries if entry["log_level"] == "warning"]
    assert [entry["reason"] for entry in warnings] == ["forged", "malformed", "kafka"]
    assert not [entry for entry in entries if "private" in str(entry) or SECRET in str(entry)]
    assert receiver.count("refused", reason="forged") == 20


async def test_metrics_name_every_count_from_the_start(receiver: Receiver) -> None:
    text = (await receiver.client.get("/metrics")).text
    for name in ("received", "repeated", "ignored", "produced"):
        assert f"ticketstream_webhooks_{name}_total 0.0" in text
    for reason in ("forged", "stale", "oversized", "malformed", "kafka"):
        assert f'ticketstream_webhooks_refused_total{{reason="{reason}"}} 0.0' in text
