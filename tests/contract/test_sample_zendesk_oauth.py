"""``/oauth/`` of the sample Zendesk over HTTP, and how it is steered."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from ticketstream.local.sample.zendesk import DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET
from ticketstream.local.sample.zendesk.faults import Fault
from ticketstream.local.sample.zendesk.running import SampleZendesk
from ticketstream.local.sample.zendesk.server import Options

CLIENT = {"client_id": DEFAULT_CLIENT_ID, "client_secret": DEFAULT_CLIENT_SECRET}


@pytest.fixture(scope="module")
def zendesk() -> Iterator[SampleZendesk]:
    with SampleZendesk(Options(tickets=20)) as running:
        yield running


def ask(zendesk: SampleZendesk, **asked: object) -> httpx.Response:
    with httpx.Client(trust_env=False) as client:
        return client.post(zendesk.base_url + "/oauth/tokens", json={**CLIENT, **asked})


def me(zendesk: SampleZendesk, token: str) -> httpx.Response:
    with httpx.Client(trust_env=False) as client:
        return client.get(
            zendesk.base_url + "/api/v2/users/me.json", headers={"Authorization": f"Bearer {token}"}
        )


def test_a_token_reads_until_it_is_revoked(zendesk: SampleZendesk) -> None:
    answer = ask(zendesk, grant_type="client_credentials", scope="read", expires_in=1800)
    assert answer.status_code == 200 and answer.json()["expires_in"] == 1800
    token = answer.json()["access_token"]
    assert me(zendesk, token).json()["user"]["role"] == "admin"
    zendesk.control.revoke_tokens()
    refused = me(zendesk, token)
    assert refused.status_code == 401 and refused.json()["error"] == "invalid_token"
    assert ask(zendesk, grant_type="client_credentials", client_secret="x").status_code == 401


def test_forms_are_taken_too(zendesk: SampleZendesk) -> None:
    with httpx.Client(trust_env=False) as client:
        asked = {"grant_type": "client_credentials", **CLIENT, "expires_in": "600"}
        answer = client.post(zendesk.base_url + "/oauth/tokens", data=asked)
    assert answer.status_code == 200 and answer.json()["expires_in"] == 600


def test_who_agrees_is_sent_back_with_a_code(zendesk: SampleZendesk) -> None:
    query = {
        "response_type": "code",
        "client_id": DEFAULT_CLIENT_ID,
        "redirect_uri": "http://localhost:1/callback",
        "scope": "read",
        "state": "x y",
    }
    with httpx.Client(trust_env=False) as client:
        sent = client.get(zendesk.base_url + "/oauth/authorizations/new", params=query)
    assert sent.status_code == 302
    back = httpx.URL(sent.headers["location"])
    assert back.params["state"] == "x y"
    answer = ask(
        zendesk,
        grant_type="authorization_code",
        code=back.params["code"],
        redirect_uri="http://localhost:1/callback",
    )
    assert answer.status_code == 200 and answer.json()["refresh_token"]


def test_an_answer_can_be_lost_on_its_way_though_the_pair_was_made(zendesk: SampleZendesk) -> None:
    first = zendesk.control.issue_tokens()
    zendesk.control.reset_stats()
    zendesk.control.set_faults(Fault(kind="cut", path="^/oauth/tokens", count=1))
    with pytest.raises(httpx.TransportError):
        ask(zendesk, grant_type="refresh_token", refresh_token=first["refresh_token"])
    zendesk.control.clear_faults()
    again = ask(zendesk, grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert again.status_code == 400 and again.json()["error"] == "invalid_grant"
    told = zendesk.control.oauth()
    assert told["granted"] == {"refresh_token": 1} and told["dead_refresh_uses"] == 1
    assert me(zendesk, first["access_token"]).status_code == 401


def test_token_requests_can_fail_and_lives_can_be_short(zendesk: SampleZendesk) -> None:
    zendesk.control.set_faults(Fault(kind="error", status=503, path="^/oauth/tokens", count=1))
    assert ask(zendesk, grant_type="client_credentials").status_code == 503
    zendesk.control.set_oauth(access_seconds=20)
    answer = ask(zendesk, grant_type="client_credentials", expires_in=1800)
    assert answer.json()["expires_in"] == 20
    with pytest.raises(httpx.HTTPStatusError):
        zendesk.control.set_oauth(life=20)
    zendesk.control.set_oauth(access_seconds=None)
