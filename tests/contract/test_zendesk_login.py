"""Calls with tokens that end, against the sample Zendesk."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from schemas.errors import CredentialsError, UnavailableError
from schemas.settings.load import Settings
from schemas.settings.zendesk import ZendeskSettings
from streams.limits import QuotaShare
from streams.logins.build import login_for
from streams.retries import RetryPolicy
from streams.sources.zendesk.check import whoami
from streams.sources.zendesk.client import ZendeskClient
from ticketstream.local.sample.zendesk import DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET
from ticketstream.local.sample.zendesk.faults import Fault
from ticketstream.local.sample.zendesk.running import SampleZendesk
from ticketstream.local.sample.zendesk.server import Options
from ticketstream.operations.checks.everything import check_zendesk
from ticketstream.operations.checks.finding import run_check

ANYTHING: msgspec.json.Decoder[Any] = msgspec.json.Decoder()


@pytest.fixture(scope="module")
def shared() -> Iterator[SampleZendesk]:
    with SampleZendesk(Options(tickets=20, limits=False)) as running:
        yield running


@pytest.fixture
def zendesk(shared: SampleZendesk) -> SampleZendesk:
    shared.control.set_oauth(
        access_seconds=None, client_enabled=True, accepts_tokens=True, expires_in="asked"
    )
    shared.control.clear_faults()
    shared.control.revoke_tokens()
    shared.control.reset_stats()
    return shared


def settings_of(zendesk: SampleZendesk, **more: Any) -> Settings:
    return Settings(
        zendesk=ZendeskSettings.model_validate(
            {
                "subdomain": "acme",
                "base_url": zendesk.base_url,
                "oauth_client_id": DEFAULT_CLIENT_ID,
                "oauth_client_secret": DEFAULT_CLIENT_SECRET,
                **more,
            }
        )
    )


def connect(zendesk: SampleZendesk, **more: Any) -> ZendeskClient:
    settings = settings_of(zendesk, **more)
    return ZendeskClient(
        settings.zendesk_url,
        login_for(settings),
        general=QuotaShare.whole(1e9),
        incremental=QuotaShare.whole(1e9),
        retry=RetryPolicy(attempts=3, factor=0.05),
    )


async def ask(client: ZendeskClient, number: int = 1) -> Any:
    return (await client.get(f"/api/v2/tickets/{number}.json", ANYTHING, "tickets")).value


async def test_hundreds_of_calls_over_short_lives_are_none_refused(zendesk: SampleZendesk) -> None:
    zendesk.control.set_oauth(access_seconds=4)
    waits = []

    async def caller(client: ZendeskClient, until: float) -> None:
        while time.monotonic() < until:
            began = time.monotonic()
            await ask(client)
            waits.append(time.monotonic() - began)
            await asyncio.sleep(0.05)

    async with connect(zendesk) as client:
        until = time.monotonic() + 4.5
        await asyncio.gather(*(caller(client, until) for _ in range(10)))
        status = client.login.status()
    told = zendesk.control.oauth()
    assert len(waits) > 200
    assert told["refused_calls"] == 0 and status.refusals == 0
    assert told["granted"] == {"client_credentials": status.renewed}
    assert status.renewed == 2, "one token a life: at 0 s and 3.2 s"
    assert max(waits) < 1, "none waited for a renewal"


async def test_revoked_tokens_are_replaced_at_once_by_one_request(zendesk: SampleZendesk) -> None:
    async with connect(zendesk) as client:
        await ask(client)
        zendesk.control.revoke_tokens()
        began = time.monotonic()
        answers = await asyncio.gather(*(ask(client) for _ in range(50)))
        assert time.monotonic() - began < 2
        assert len(answers) == 50
        refused = client.login.status().refusals
        assert 1 <= refused <= 50 and client.calls == 51 + refused, "each attempt is counted"
    assert zendesk.control.oauth()["granted"] == {"client_credentials": 2}


async def test_a_fresh_token_that_is_refused_is_a_wrong_login_and_mends_by_itself(
    zendesk: SampleZendesk,
) -> None:
    async with connect(zendesk) as client:
        await whoami(client)
        zendesk.control.set_oauth(accepts_tokens=False)
        with pytest.raises(CredentialsError):
            await ask(client)
        with pytest.raises(CredentialsError, match="OAUTH_CLIENT_ID"):
            await ask(client)
        assert client.login.status().refused
        asked = zendesk.control.oauth()["granted"]["client_credentials"]
        assert asked == 2, "an error is no reason to ask again at once"
        zendesk.control.set_oauth(accepts_tokens=True)
        await _comes_back(client)
        assert client.login.status().refused is None


async def test_a_client_switched_off_and_on_again(zendesk: SampleZendesk) -> None:
    zendesk.control.set_oauth(client_enabled=False)
    async with connect(zendesk) as client:
        with pytest.raises(CredentialsError, match=r"401 \(invalid_client\).*OAUTH_CLIENT_SECRET"):
            await ask(client)
        zendesk.control.set_oauth(client_enabled=True)
        await _comes_back(client)


async def test_with_token_requests_failing_the_old_token_serves(zendesk: SampleZendesk) -> None:
    zendesk.control.set_oauth(access_seconds=4)
    async with connect(zendesk) as client:
        await ask(client)
        zendesk.control.set_faults(Fault(kind="error", status=503, path="^/oauth/tokens"))
        while not client.login.status().renewals_failed:
            await ask(client)
            await asyncio.sleep(0.02)
        await ask(client)
        zendesk.control.clear_faults()
        await _comes_back(client)
    assert zendesk.control.oauth()["refused_calls"] == 0


@pytest.mark.parametrize("kind", ["hang", "html", "rate_limit"])
async def test_token_requests_without_a_good_answer_are_asked_again(
    zendesk: SampleZendesk, kind: Any
) -> None:
    zendesk.control.set_faults(
        Fault(kind=kind, path="^/oauth/tokens", count=1, hang_seconds=0.2, retry_after=0.1)
    )
    async with connect(zendesk) as client:
        await ask(client)
        status = client.login.status()
    assert (status.renewed, status.renewals_failed) == (1, 1)


async def test_a_life_that_is_not_told_is_no_end(zendesk: SampleZendesk) -> None:
    for told in ("missing", "null"):
        zendesk.control.set_oauth(expires_in=told, access_seconds=0.2)
        async with connect(zendesk) as client:
            await ask(client)
            await asyncio.sleep(0.25)
            await ask(client)
            status = client.login.status()
            assert (status.token_ends, status.refusals, status.renewed) == (None, 1, 2)


async def test_a_scope_that_does_not_serve_is_named_by_zendesk(zendesk: SampleZendesk) -> None:
    async with connect(zendesk, oauth_scope="users:read") as client:
        assert (await whoami(client)).role == "admin"
        missing = "missing the following required scopes: tickets:read, read"
        with pytest.raises(CredentialsError, match=rf"{missing}.*set TICKETSTREAM_ZENDESK__OAUTH_SCOPE"):
            await ask(client)


@pytest.mark.parametrize("scope", ["users:read", "read"])
async def test_the_doctor_knows_whether_the_export_may_be_read(zendesk: SampleZendesk, scope: str) -> None:
    (first, *others) = await run_check(
        "zendesk", lambda: check_zendesk(settings_of(zendesk, oauth_scope=scope), timeout=10.0), timeout=10.0
    )
    if scope == "read":
        assert [first.verdict, *(one.verdict for one in others)] == ["ok", "ok"]
    else:
        assert first.verdict == "fail"
        assert "incremental/tickets" in first.message and "ZENDESK__OAUTH_SCOPE" in first.message


async def test_an_export_that_is_used_up_for_the_minute_is_no_wrong_login(zendesk: SampleZendesk) -> None:
    zendesk.control.set_faults(Fault(kind="rate_limit", path="incremental", retry_after=60))
    found = await check_zendesk(settings_of(zendesk), timeout=10.0)
    assert [one.verdict for one in found] == ["ok", "ok"]


async def _comes_back(client: ZendeskClient) -> None:
    """Ask until it is answered; the login pauses for a second or two."""
    async with asyncio.timeout(10):
        while True:
            try:
                await ask(client)
                return
            except (CredentialsError, UnavailableError):
                await asyncio.sleep(0.1)
