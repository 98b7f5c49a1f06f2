"""What the client makes of every kind of answer."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from typing import Any

import httpx
import msgspec
import pytest

from schemas.errors import (
    CredentialsError,
    RateLimitedError,
    RefusedError,
    RetryableError,
    TicketstreamError,
    UnavailableError,
)
from streams.limits import QuotaShare
from streams.sources.zendesk import exchange as exchange_module
from streams.sources.zendesk.check import whoami
from streams.sources.zendesk.client import ZendeskClient
from streams.sources.zendesk.responses import AnswerTooLargeError, read_heading
from streams.sources.zendesk.troubles import FAILING_SECONDS, Troubles
from streams.testing import VirtualClock
from tests.zendesk_fixtures import client_of

ANY = msgspec.json.Decoder(dict[str, Any])


async def ask(client: ZendeskClient) -> Any:
    return (await client.get("/api/v2/things.json?secret=no", ANY, "users")).value


def scripted(*answers: httpx.Response | Exception) -> Any:
    left: Iterator[httpx.Response | Exception] = iter(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        one = next(left)
        if isinstance(one, Exception):
            raise one
        return one

    return answer


GOOD = {"ok": True}


def good() -> httpx.Response:
    return httpx.Response(200, json=GOOD)


async def test_an_answer_comes_decoded_with_login_and_query_as_given() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return good()

    client = client_of(answer)
    answered = await client.get("/api/v2/things.json?page%5Bsize%5D=100", ANY, "users")
    assert answered == (GOOD, 1) and client.calls == 1
    assert seen[0].url.raw_path == b"/api/v2/things.json?page%5Bsize%5D=100"
    assert seen[0].headers["authorization"] == "Bearer secret-of-the-test"
    assert seen[0].headers["host"] == "acme.zendesk.com"


def packed(content: bytes) -> httpx.Response:
    headers = {"content-encoding": "gzip", "content-type": "application/json"}
    return httpx.Response(200, headers=headers, stream=httpx.ByteStream(content))


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.Response(429, text="Number of allowed API requests per minute exceeded"),
        httpx.Response(500, json={"error": "InternalError"}),
        httpx.Response(503, html="<h1>Sorry</h1>"),
        httpx.Response(408),
        httpx.Response(409, json={"error": "DatabaseConflict"}),
        httpx.Response(200, html="<h1>Sorry</h1>"),
        httpx.Response(302, headers={"location": "https://elsewhere.example"}),
        httpx.Response(301),
        httpx.Response(308, json={"error": "moved"}),
        httpx.Response(404, html="<h1>No help desk at acme.zendesk.com</h1>"),
        httpx.Response(200, content=b'{"ok": tr'),
        httpx.Response(200, content=b""),
        httpx.Response(200, json=[1, 2]),
        httpx.Response(200, content=b'{"x":' + b"[" * 100_000),
        httpx.Response(200, content=b'"\xff\xfe"'),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("peer closed connection without sending complete message body"),
        packed(b"not gzip"),
    ],
    ids=lambda one: str(getattr(one, "status_code", one))[:20],
)
async def test_what_can_succeed_later_is_tried_again(trouble: httpx.Response | Exception) -> None:
    told: list[Any] = []
    seen: list[Any] = []
    client = client_of(
        scripted(trouble, good()),
        on_retry=lambda *one: told.append(one),
        on_call=lambda *one: seen.append(one),
    )
    assert await client.get("/x.json", ANY, "users") == (GOOD, 2)
    assert client.calls == 2
    ((endpoint, error, attempt, wait),) = told
    assert endpoint == "users" and isinstance(error, RetryableError) and attempt == 1 and wait == 0
    status = trouble.status_code if isinstance(trouble, httpx.Response) else 0
    assert [(name, code) for name, code, _ in seen] == [("users", status), ("users", 200)]


@pytest.mark.parametrize(
    ("status", "kind", "says"),
    [
        (401, CredentialsError, "check TICKETSTREAM_ZENDESK__OAUTH_TOKEN"),
        (400, RefusedError, "answered 400"),
        (404, RefusedError, "answered 404"),
        (422, RefusedError, "RecordInvalid"),
    ],
)
async def test_what_never_succeeds_is_asked_once(
    status: int, kind: type[TicketstreamError], says: str
) -> None:
    client = client_of(scripted(httpx.Response(status, json={"error": "RecordInvalid"})))
    with pytest.raises(kind, match=says) as caught:
        await ask(client)
    assert client.calls == 1
    line = str(caught.value)
    assert "GET /api/v2/things.json" in line and "secret" not in line and "\n" not in line
    if isinstance(caught.value, RefusedError):
        assert caught.value.status == status


@pytest.mark.parametrize("strange", [b"[]", b'{"cut": ', b"", b'"\xff\xfe"'])
async def test_an_answer_that_stays_strange_while_others_do_not_is_refused(strange: bytes) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=strange) if "bad" in request.url.path else good()

    client = client_of(answer)
    asked = asyncio.create_task(client.get("/bad.json", ANY, "users"))
    while client.calls < 3:
        await asyncio.sleep(0)
    await client.get("/good.json", ANY, "users")
    with pytest.raises(RefusedError, match=r"no such JSON .*; 6 times, while others of its kind") as caught:
        await asked
    assert caught.value.status == 200


async def test_on_a_quiet_account_what_went_well_last_is_asked_for_once_more() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200, content=b"[]") if "bad" in request.url.path else good()

    client = client_of(answer)
    await client.get("/good.json", ANY, "users")
    with pytest.raises(RefusedError, match="7 times, while others"):
        await client.get("/bad.json", ANY, "users")
    assert asked == ["/good.json", *["/bad.json"] * 6, "/good.json", "/bad.json"]


async def test_what_others_met_in_an_outage_before_delays_no_judgement() -> None:
    outage = True

    def answer(request: httpx.Request) -> httpx.Response:
        if "bad" in request.url.path:
            return httpx.Response(200, content=b"[]")
        return httpx.Response(302) if outage else good()

    client = client_of(answer)
    asked = asyncio.create_task(client.get("/bad.json", ANY, "users"))
    others = [asyncio.create_task(client.get(f"/{number}.json", ANY, "users")) for number in range(20)]
    while client.calls < 400:
        await asyncio.sleep(0)
    assert not asked.done()
    outage = False
    await asyncio.gather(*others)
    with pytest.raises(RefusedError, match="while others of its kind") as caught:
        await asked
    assert int(str(caught.value).split("; ")[-1].split()[0]) < 40


async def test_nothing_is_refused_when_an_outage_ends_between_it_and_the_other() -> None:
    """Only a try that fails after the other has gone well shows that it is not the outage."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200, content=b"[]") if 1 < len(asked) <= 7 else good()

    client = client_of(answer)
    await client.get("/other.json", ANY, "users")
    assert (await client.get("/one.json", ANY, "users")).value == GOOD
    assert asked == ["/other.json", *["/one.json"] * 6, "/other.json", "/one.json"]


@pytest.mark.parametrize(
    "trouble",
    [httpx.Response(200, content=b"[]"), httpx.Response(200, html="<h1>"), httpx.Response(302)],
    ids=["strange", "page", "redirect"],
)
async def test_what_all_calls_of_a_kind_meet_is_waited_for_and_said(trouble: httpx.Response) -> None:
    away = False
    client = client_of(lambda _: trouble if away else good())
    await client.get("/x.json", ANY, "users")  # that the kind went well before says nothing
    away, now = True, 1000.0
    client.troubles = Troubles(lambda: now)
    asked = asyncio.create_task(client.get("/y.json", ANY, "users"))
    while client.calls < 40:
        await asyncio.sleep(0)
    assert client.troubles.now() == []
    now += 20
    (told,) = client.troubles.now()
    assert (told.kind, told.since) == ("answers", 1000.0)
    assert "GET /y.json" in told.reason
    assert ("TICKETSTREAM_ZENDESK__SUBDOMAIN" in told.reason) == (trouble.content != b"[]")
    away = False
    assert (await asked).value == GOOD
    assert client.troubles.now() == []


async def test_one_thing_that_fails_for_long_while_its_kind_goes_well_is_refused_in_the_end() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(500) if "bad" in request.url.path else good()

    client = client_of(answer)
    now = 0.0
    client.troubles = Troubles(lambda: now)
    asked = asyncio.create_task(client.get("/bad.json", ANY, "users"))
    while client.calls < 3:
        await asyncio.sleep(0)
    for _ in range(10):
        await client.get("/good.json", ANY, "users")
    while client.calls < 100:
        await asyncio.sleep(0)
    now = FAILING_SECONDS - 1
    while client.calls < 150:
        await asyncio.sleep(0)
    assert not asked.done()
    now += 2
    with pytest.raises(RefusedError, match=r"answered 500 .* while others of its kind were answered"):
        await asked


async def test_nobody_is_told_of_what_is_asked_for_no_more() -> None:
    """It lies in the dead letters then, or was answered with a refusal: nobody waits for an answer."""
    now = 0.0

    def clock() -> float:
        return now

    def answer(request: httpx.Request) -> httpx.Response:
        if "bad" in request.url.path:
            return httpx.Response(200, content=b"[]")
        if "gone" in request.url.path and client.calls > 1:
            return httpx.Response(404, json={"error": "RecordNotFound"})
        return httpx.Response(503) if "gone" in request.url.path else good()

    for path in ("/bad.json", "/gone.json"):
        client = client_of(answer)
        client.troubles = Troubles(clock)
        asked = asyncio.create_task(client.get(path, ANY, "comments"))
        if "bad" in path:
            while client.calls < 1:
                await asyncio.sleep(0)
            await client.get("/good.json", ANY, "comments")
        with pytest.raises(RefusedError):
            await asked
        now += 20
        assert client.troubles.now() == []


@pytest.mark.parametrize("kind", ["login", "export", "answers", "away"])
def test_a_trouble_that_nobody_meets_any_more_is_forgotten(kind: str) -> None:
    """The partition whose work it held up went to another worker: here nothing will succeed again."""
    now = 1000.0
    troubles = Troubles(lambda: now)

    def meet() -> None:
        if kind == "answers":
            troubles.failed("export", "503", 60.0)
        elif kind == "away":
            troubles.login_away("no token", 60.0)
        elif kind == "export":
            troubles.rights_refused("export", "403")
        else:
            troubles.login_refused("401")

    passes = kind in ("answers", "away")
    meet()
    now += 100
    meet()
    now += 170 + (60 if passes else 0)
    said = "answers" if passes else kind
    assert [(one.kind, one.since) for one in troubles.now()] == [(said, 1000.0)]
    now += 15
    assert troubles.now() == []
    meet()
    now += 20
    assert [one.since for one in troubles.now()] == [now - 20]


ADMIN = {"user": {"id": 7, "name": "Ada", "role": "admin"}}
NOBODY = {"user": {"id": None, "name": "Anonymous user", "role": "end-user"}}
SUSPENDED = {"user": {"id": 7, "name": "Ada", "role": "admin", "suspended": True}}


def forbidding(me: httpx.Response, asked: list[str]) -> Callable[[httpx.Request], httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return (
            me if request.url.path.endswith("/me.json") else httpx.Response(403, json={"error": "Forbidden"})
        )

    return answer


async def test_one_thing_refused_is_told_from_a_login_refused() -> None:
    asked: list[str] = []
    client = client_of(forbidding(httpx.Response(200, json=ADMIN), asked))
    found = await asyncio.gather(
        *(client.get(f"/{number}.json", ANY, "users") for number in range(5)), return_exceptions=True
    )
    assert [(type(one), getattr(one, "status", 0)) for one in found] == [(RefusedError, 403)] * 5
    assert sum(path.endswith("/me.json") for path in asked) == 1  # one question for all, and remembered
    with pytest.raises(RefusedError, match=r"answered 403 to GET /again\.json"):
        await client.get("/again.json", ANY, "users")
    assert sum(path.endswith("/me.json") for path in asked) == 1
    assert client.troubles.now() == []


async def test_what_is_refused_of_every_ticket_is_a_matter_of_the_login() -> None:
    """A scope or a role without tickets: the first few are told from it by nothing."""
    client = client_of(forbidding(httpx.Response(200, json=ADMIN), []))
    kinds = []
    for number in range(6):
        with pytest.raises((RefusedError, CredentialsError)) as caught:
            await client.get(f"/{number}.json", ANY, "comments")
        kinds.append(type(caught.value))
    assert kinds[:3] == [RefusedError] * 3
    assert all(issubclass(kind, CredentialsError) for kind in kinds[3:])
    (told,) = client.troubles.now()
    assert told.kind == "login" and "rights and the scope" in told.reason


async def test_rights_that_are_withdrawn_lose_no_ticket() -> None:
    withdrawn = False

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/me.json"):
            return httpx.Response(200, json=ADMIN)
        refused = withdrawn or "bad" in request.url.path
        return httpx.Response(403, json={"error": "Forbidden"}) if refused else good()

    client = client_of(answer)
    await client.get("/good.json", ANY, "comments")
    with pytest.raises(RefusedError):
        await client.get("/bad.json", ANY, "comments")
    client._rights._kinds.clear()  # what is remembered of it for ten seconds
    withdrawn = True
    for _ in range(3):
        with pytest.raises(CredentialsError, match="of any ticket"):
            await client.get("/bad.json", ANY, "comments")
    withdrawn = False
    with pytest.raises(RefusedError):
        await client.get("/bad.json", ANY, "comments")
    await client.get("/other.json", ANY, "comments")
    assert client.troubles.now() == []


@pytest.mark.parametrize(
    "me",
    [
        httpx.Response(401),
        httpx.Response(403),
        httpx.Response(200, json=NOBODY),
        httpx.Response(200, json=SUSPENDED),
    ],
    ids=["401", "403", "nobody", "suspended"],
)
async def test_a_login_that_is_refused_is_no_fault_of_the_thing(me: httpx.Response) -> None:
    client = client_of(forbidding(me, []))
    with pytest.raises(CredentialsError, match="TICKETSTREAM_ZENDESK__OAUTH_TOKEN"):
        await client.get("/1.json", ANY, "comments")
    (told,) = client.troubles.now()
    assert told.kind == "login"
    client.troubles.went_well("comments")
    assert client.troubles.now() == []


async def test_the_export_is_for_administrators() -> None:
    client = client_of(forbidding(httpx.Response(200, json=ADMIN), []))
    with pytest.raises(
        CredentialsError, match="TICKETSTREAM_ZENDESK__OAUTH_TOKEN must belong to an administrator"
    ):
        await client.get("/1.json", ANY, "export")
    assert [told.kind for told in client.troubles.now()] == ["export"]


async def test_nobody_is_blamed_while_the_login_cannot_be_asked_about() -> None:
    client = client_of(
        scripted(httpx.Response(403), httpx.Response(503), httpx.Response(200, json=ADMIN)), attempts=5
    )
    with pytest.raises(RefusedError) as caught:
        await client.get("/1.json", ANY, "comments")
    assert caught.value.status == 403


async def test_other_trouble_does_not_count_as_strange() -> None:
    client = client_of(scripted(*[httpx.Response(503)] * 20, good()))
    assert await ask(client) == GOOD


async def test_what_can_be_done_without_is_not_waited_for_but_in_a_queue() -> None:
    queue = [httpx.Response(429, headers={"Retry-After": "0"})] * 10
    client = client_of(scripted(*queue, *[httpx.Response(502)] * 3))
    with pytest.raises(RefusedError, match=r"answered 502 .*it is not waited for"):
        await client.get("/events.json", ANY, "events", patience=3)
    assert client.troubles.now() == []


async def test_a_bounded_client_gives_up() -> None:
    client = client_of(lambda _: httpx.Response(503), attempts=2)
    with pytest.raises(UnavailableError, match="503"):
        await ask(client)
    assert client.calls == 2


async def test_a_service_that_is_silent_is_unavailable() -> None:
    async def silent(request: httpx.Request) -> httpx.Response:
        await VirtualClock().sleep(1)
        raise AssertionError

    client = client_of(silent, attempts=1, timeout=0.02)  # type: ignore[arg-type]
    with pytest.raises(UnavailableError, match=r"within 0\.02 s"):
        await ask(client)


async def test_an_answer_over_the_limit_is_refused_without_being_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exchange_module, "MAX_ANSWER_BYTES", 1000)
    assert await ask(client_of(scripted(httpx.Response(200, json={"a": "x" * 900}))))
    small = gzip.compress(b'{"a":"' + b"x" * 100_000 + b'"}')
    assert len(small) < 1000
    for answer in (
        httpx.Response(200, json={"a": "x" * 1000}),
        packed(small),
    ):
        client = client_of(scripted(answer))
        with pytest.raises(AnswerTooLargeError, match="GET /api/v2/things"):
            await ask(client)
        assert client.calls == 1


async def test_a_packed_answer_is_unpacked() -> None:
    assert await ask(client_of(scripted(packed(gzip.compress(b'{"ok":true}'))))) == GOOD


async def test_the_page_asked_for_is_decided_when_its_turn_comes() -> None:
    clock = VirtualClock()
    general = QuotaShare(60, 1, clock=clock.clock, sleep=clock.sleep)
    general.own(1)
    await clock.run(general.acquire())
    asked: list[str] = []
    ids: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.query.decode())
        return good() if len(asked) > 1 else httpx.Response(500)

    client = client_of(answer, general=general)
    started = clock.now

    async def late() -> Any:
        return await client.get(lambda: "/x.json?ids=" + ",".join(map(str, ids)), ANY, "users")

    async def more() -> None:
        await clock.sleep(0.5)
        ids.extend((1, 2))
        await clock.sleep(1)
        ids.append(3)

    await clock.run(asyncio.gather(late(), more()))
    assert asked == ["ids=1,2", "ids=1,2"]  # and a retry asks for the same
    assert clock.now - started >= 2 * 0.99  # each attempt takes a token


class Watched(QuotaShare):
    def __init__(self) -> None:
        super().__init__(1e9, 1)
        self.own(1)
        self.seen: list[Any] = []

    def observe(
        self, remaining: float, reset_seconds: float, *, in_flight: int = 0, age: float = 0.0
    ) -> None:
        self.seen.append((remaining, reset_seconds))

    def pause(self, seconds: float) -> None:
        self.seen.append(seconds)


LIMIT_HEADERS = [
    ({"x-rate-limit-remaining": "12", "ratelimit-reset": "7"}, [(12.0, 7.0)], []),
    ({"RateLimit-Remaining": "12", "RateLimit-Reset": "7"}, [(12.0, 7.0)], []),
    ({"rate-limit-remaining": "0", "rate-limit-reset": "59"}, [(0.0, 59.0)], []),
    ({"rate-limit-remaining": "12"}, [], []),
    ({"rate-limit-remaining": "many", "rate-limit-reset": "7"}, [], []),
    ({"rate-limit-remaining": "nan", "rate-limit-reset": "inf"}, [], []),
    (
        {"Zendesk-RateLimit-Incremental-Exports": "total=10; remaining=3; resets=42"},
        [],
        [(3.0, 42.0)],
    ),
    ({"zendesk-ratelimit-incremental-exports": "gibberish"}, [], []),
    ({"zendesk-ratelimit-tickets-index": "total=10; remaining=3; resets=42"}, [], []),
]


@pytest.mark.parametrize(("headers", "general", "incremental"), LIMIT_HEADERS)
async def test_limit_headers_are_followed(
    headers: dict[str, str], general: list[Any], incremental: list[Any]
) -> None:
    one, two = Watched(), Watched()
    client = client_of(
        lambda _: httpx.Response(200, json=GOOD, headers=headers), general=one, incremental=two
    )
    await client.get("/x.json", ANY, "export")
    assert (one.seen, two.seen) == (general, incremental)


@pytest.mark.parametrize(
    ("endpoint", "content_type", "held"),
    [
        ("export", "application/json; charset=utf-8", "incremental"),
        ("export", "text/plain; charset=utf-8", "general"),
        ("comments", "application/json", "general"),
    ],
)
async def test_too_many_calls_hold_everybody_who_shares_the_limit(
    endpoint: Any, content_type: str, held: str
) -> None:
    limits = {"general": Watched(), "incremental": Watched()}
    refused = httpx.Response(429, content=b"{}", headers={"content-type": content_type, "retry-after": "0"})
    client = client_of(
        scripted(refused, good()), general=limits["general"], incremental=limits["incremental"]
    )
    await client.get("/x.json", ANY, endpoint)
    assert {name: one.seen for name, one in limits.items()} == {
        "general": [],
        "incremental": [],
        held: [0.0],
    }


async def test_only_exports_draw_from_the_incremental_limit_and_they_draw_from_both() -> None:
    client = client_of(lambda _: good())
    await client.get("/x.json", ANY, "export")
    await client.get("/x.json", ANY, "comments")
    assert (client.general.acquired_total, client.incremental.acquired_total) == (2, 1)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("30", 30), ("0.25", 0.25), ("999999999", 3600), ("-5", None), ("soon", None), ("nan", None)],
)
def test_retry_after_is_read_and_bounded(value: str, seconds: float | None) -> None:
    assert read_heading([(b"Retry-After", value.encode())]).retry_after == seconds


def test_retry_after_may_be_a_date() -> None:
    date = formatdate(time.time() + 40, usegmt=True).encode()
    found = read_heading([(b"retry-after", date)]).retry_after
    assert found is not None and 38 < found <= 40


async def test_retry_after_is_part_of_the_error() -> None:
    client = client_of(lambda _: httpx.Response(429, headers={"retry-after": "17"}), attempts=1)
    with pytest.raises(RateLimitedError) as caught:
        await ask(client)
    assert caught.value.retry_after == 17


async def test_no_error_shows_the_login() -> None:
    for answer in (httpx.Response(401), httpx.Response(500), httpx.ConnectError("no route")):
        client = client_of(scripted(answer), attempts=1)
        with pytest.raises(TicketstreamError) as caught:
            await ask(client)
        assert "secret-of-the-test" not in f"{caught.value!r} {caught.value}"


async def test_whoami() -> None:
    user = {"id": 5, "name": "Ann", "email": "ann@example.org", "role": "admin"}
    me = await whoami(client_of(lambda _: httpx.Response(200, json={"user": user})))
    assert (me.id, me.name, me.email, me.role) == (5, "Ann", "ann@example.org", "admin")
    nobody = {
        "user": {"id": None, "name": "Anonymous user", "email": "invalid@example.com", "role": "end-user"}
    }
    with pytest.raises(CredentialsError, match="TICKETSTREAM_ZENDESK__OAUTH_TOKEN"):
        await whoami(client_of(lambda _: httpx.Response(200, json=nobody)))


async def test_while_the_login_is_refused_hundreds_ask_as_often_as_one() -> None:
    client = client_of(lambda _: httpx.Response(401, json={"error": "invalid_token"}), refused_seconds=3600)
    errors = [
        (await asyncio.gather(client.get(f"/{each}.json", ANY, "comments"), return_exceptions=True))[0]
        for each in range(300)
    ]
    assert all(isinstance(error, CredentialsError) for error in errors)
    assert len({str(error) for error in errors}) == 1
    assert client.calls == 1
