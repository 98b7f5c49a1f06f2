"""Refresh tokens and ``ticketstream login`` over real connections, against the sample Zendesk."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from login_fixtures import FakeRecords, FakeTopic, new_clock

from schemas.cluster import Cluster
from schemas.errors import (
    CredentialsError,
    RateLimitedError,
    TicketstreamError,
    UnavailableError,
    UserError,
)
from schemas.logins import LoginPair
from schemas.settings.kafka import KafkaSettings
from schemas.settings.load import Settings
from schemas.settings.zendesk import ZendeskSettings
from streams.logins import stored as stored_login
from streams.sources.zendesk.renewal.exchange import NotSentError, TokenEndpoint
from streams.sources.zendesk.tokens import GrantRefusedError
from ticketstream.local.sample.zendesk import DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET
from ticketstream.local.sample.zendesk.faults import Fault
from ticketstream.local.sample.zendesk.running import SampleZendesk
from ticketstream.local.sample.zendesk.server import Options
from ticketstream.operations.login.callback import Callback
from ticketstream.operations.login.flow import LoggedIn, log_in


@pytest.fixture(scope="module")
def shared() -> Iterator[SampleZendesk]:
    with SampleZendesk(Options(tickets=5, limits=False)) as running:
        yield running


@pytest.fixture
def zendesk(shared: SampleZendesk) -> SampleZendesk:
    shared.control.set_oauth(
        access_seconds=None, client_enabled=True, accepts_tokens=True, consent=True, kind="confidential"
    )
    shared.control.clear_faults()
    shared.control.reset_stats()
    return shared


def endpoint(zendesk: SampleZendesk, **more: float) -> TokenEndpoint:
    return TokenEndpoint(zendesk.base_url, DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, **more)


def first_token(zendesk: SampleZendesk) -> str:
    return str(zendesk.control.issue_tokens()["refresh_token"])


# What Zendesk answers to a refresh token.


async def test_a_refresh_token_serves_once(zendesk: SampleZendesk) -> None:
    token = first_token(zendesk)
    granted = await endpoint(zendesk).renewed(token)
    assert granted.refresh_token
    assert granted.seconds == 1800
    assert granted.refresh_seconds == 30 * 24 * 3600
    assert granted.access_token not in repr(granted)
    with pytest.raises(GrantRefusedError) as caught:
        await endpoint(zendesk).renewed(token)
    assert token not in str(caught.value)


async def test_who_is_too_late_sends_nothing(zendesk: SampleZendesk) -> None:
    token = first_token(zendesk)
    with pytest.raises(NotSentError):
        await endpoint(zendesk).renewed(token, ours=lambda: False)
    assert zendesk.control.oauth()["granted"] == {}
    assert (await endpoint(zendesk).renewed(token)).refresh_token


@pytest.mark.parametrize(
    ("fault", "error", "good_again"),
    [
        (Fault(kind="error", status=503, count=1), UnavailableError, True),
        (Fault(kind="rate_limit", retry_after=7, count=1), RateLimitedError, True),
        (Fault(kind="html", count=1), UnavailableError, True),
        (Fault(kind="drop", count=1), UnavailableError, True),
        (Fault(kind="hang", count=1), UnavailableError, True),
        # The answer is lost on its way: Zendesk has changed the tokens, and nobody has the new ones.
        (Fault(kind="cut", count=1), UnavailableError, False),
        (Fault(kind="truncated", count=1), UnavailableError, False),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else None,
)
async def test_trouble_on_the_way_is_told_from_a_dead_token(
    zendesk: SampleZendesk, fault: Fault, error: type[TicketstreamError], good_again: bool
) -> None:
    token = first_token(zendesk)
    zendesk.control.set_faults(fault)
    asked = endpoint(zendesk, timeout=0.4)
    with pytest.raises(error) as caught:
        await asked.renewed(token)
    assert not isinstance(caught.value, NotSentError)
    assert token not in str(caught.value)
    if good_again:
        assert (await asked.renewed(token)).refresh_token
    else:
        with pytest.raises(GrantRefusedError):
            await asked.renewed(token)


async def test_nobody_there_is_no_use_of_the_token(zendesk: SampleZendesk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    asked = TokenEndpoint(f"http://127.0.0.1:{port}", DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET)
    with pytest.raises(NotSentError):
        await asked.renewed("token")


async def test_a_wrong_client_is_told_with_its_variables(zendesk: SampleZendesk) -> None:
    asked = TokenEndpoint(zendesk.base_url, DEFAULT_CLIENT_ID, "wrong")
    with pytest.raises(CredentialsError, match="OAUTH_CLIENT_SECRET") as caught:
        await asked.renewed(first_token(zendesk))
    assert not isinstance(caught.value, GrantRefusedError)


# The page in the browser.


class Person:
    """Runs the command and follows its address as a browser would."""

    def __init__(
        self, zendesk: SampleZendesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, secret: bool = True
    ) -> None:
        self.topic = FakeTopic(new_clock())
        monkeypatch.setattr(stored_login, "LoginLog", lambda *_: FakeRecords(self.topic))
        given = {
            "subdomain": "acme",
            "base_url": zendesk.base_url,
            "oauth_client_id": DEFAULT_CLIENT_ID,
            **({"oauth_client_secret": DEFAULT_CLIENT_SECRET} if secret else {}),
        }
        self.settings = Settings(
            zendesk=ZendeskSettings.model_validate(given),
            # Nobody is there: whoever the token belongs to is then asked for with the client's own grant.
            kafka=KafkaSettings(bootstrap_servers=None if secret else "127.0.0.1:1"),
            data_dir=tmp_path,
        )
        if secret:
            monkeypatch.setattr(Settings, "cluster", property(lambda _: Cluster("127.0.0.1:1", 8)))

    async def logs_in(
        self, follow: Callable[[str], str] = lambda page: page, *, timeout: float = 10.0, port: int = 0
    ) -> LoggedIn:
        answers: list[asyncio.Task[httpx.Response]] = []
        self.pages: list[str] = []

        async def browse(page: str) -> httpx.Response:
            async with httpx.AsyncClient(follow_redirects=True, trust_env=False) as browser:
                return await browser.get(follow(page))

        def asks(page: str, redirect: str) -> None:
            self.pages.append(page)
            assert parse_qs(urlsplit(page).query)["redirect_uri"] == [redirect]
            answers.append(asyncio.create_task(browse(page)))

        try:
            return await log_in(
                self.settings, port=port, browser=False, timeout=timeout, asks=asks, say=lambda _: None
            )
        finally:
            self.seen = [await answer for answer in answers]


@pytest.fixture
def person(zendesk: SampleZendesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Person:
    return Person(zendesk, tmp_path, monkeypatch)


async def test_the_first_pair_is_stored_sealed(zendesk: SampleZendesk, person: Person) -> None:
    done = await person.logs_in()
    assert (done.account, done.client_id, done.scope) == ("acme", DEFAULT_CLIENT_ID, "read")
    assert done.problem is None
    assert done.role == "admin"
    assert done.key_file is None
    (pair,) = (record for record, _ in person.topic.records if isinstance(record, LoginPair))
    assert (pair.generation, pair.cause) == (1, "login")
    assert "sample-" not in repr(pair)
    assert zendesk.control.oauth()["granted"]["authorization_code"] == 1
    asked = parse_qs(urlsplit(person.pages[0]).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["response_type"] == ["code"]
    (page,) = person.seen
    assert page.status_code == 200
    assert "Thank you" in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


async def test_a_client_without_a_secret_has_a_key_of_its_own(
    zendesk: SampleZendesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zendesk.control.set_oauth(kind="public")
    person = Person(zendesk, tmp_path, monkeypatch, secret=False)
    done = await person.logs_in()
    assert done.problem is None, done.problem
    assert done.key_file is not None
    assert done.key_file.stat().st_mode & 0o777 == 0o600


async def test_a_confidential_client_without_its_secret_is_told(
    zendesk: SampleZendesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # PKCE stands for the secret at first, but a renewal wants it.
    person = Person(zendesk, tmp_path, monkeypatch, secret=False)
    with pytest.raises(CredentialsError, match="OAUTH_CLIENT_SECRET here too"):
        await person.logs_in()
    assert not any(isinstance(record, LoginPair) for record, _ in person.topic.records)


async def test_a_person_who_declines_is_told_so(zendesk: SampleZendesk, person: Person) -> None:
    zendesk.control.set_oauth(consent=False)
    with pytest.raises(UserError, match="access was denied"):
        await person.logs_in()
    assert person.topic.records == []


async def test_another_state_ends_it_and_stores_nothing(person: Person) -> None:
    with pytest.raises(UserError, match="another state"):
        await person.logs_in(lambda page: page.replace("state=", "state=x"))
    assert person.topic.records == []
    assert "Not logged in" in person.seen[0].text


async def test_a_code_that_is_no_good_is_told(zendesk: SampleZendesk, person: Person) -> None:
    def forged(page: str) -> str:
        asked = parse_qs(urlsplit(page).query)
        return f"{asked['redirect_uri'][0]}?code=forged&state={asked['state'][0]}"

    with pytest.raises(UserError, match=r"120 s.*`ticketstream login`") as caught:
        await person.logs_in(forged)
    assert "forged" not in str(caught.value)


async def test_nobody_answers(person: Person) -> None:
    with pytest.raises(UserError, match=r"nobody has answered within 0\.3 s"):
        await person.logs_in(lambda page: page.replace("authorizations/new", "none"), timeout=0.3)


async def test_a_taken_port_is_told(person: Person) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UserError, match="--port"):
        await person.logs_in(port=taken.getsockname()[1])
    assert person.seen == []


async def test_kafka_away_is_told_before_anybody_is_asked(person: Person) -> None:
    person.topic.away = True
    with pytest.raises(UnavailableError, match="Kafka is away"):
        await person.logs_in()
    assert person.seen == []


async def test_the_page_shows_nothing_of_what_was_sent() -> None:
    async with (
        Callback(0, "right") as callback,
        httpx.AsyncClient(trust_env=False) as browser,
    ):
        words = "<script>alert(1)</script>"
        for query in ({}, {"x": words}, {"code": words, "state": words}, {"error": words}):
            page = await browser.get(callback.url, params=query)
            assert "script" not in page.text
            assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert (await browser.get(callback.url.replace("/callback", "/favicon.ico"))).status_code == 404
        assert (await browser.post(callback.url)).status_code == 404
        # The first answer that is one counts.
        with pytest.raises(UserError, match="another state"):
            await callback.code(1.0)


async def test_words_of_an_error_are_harmless_on_a_terminal() -> None:
    async with Callback(0, "right") as callback, httpx.AsyncClient(trust_env=False) as browser:
        await browser.get(
            callback.url,
            params={
                "error": "invalid_scope",
                "error_description": "\x1b[2J\n" + "d" * 999,
                "state": "right",
            },
        )
        with pytest.raises(UserError, match="redirect URLs and scopes") as caught:
            await callback.code(1.0)
        assert "\x1b" not in str(caught.value)
        assert len(str(caught.value)) < 400
