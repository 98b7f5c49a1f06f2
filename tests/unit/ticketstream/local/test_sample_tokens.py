"""The sample's OAuth authority: what it gives, to whom, and for how long."""

from __future__ import annotations

import base64
import hashlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from streams.testing import VirtualClock
from ticketstream.local.sample.zendesk.login import Login, needed_scopes
from ticketstream.local.sample.zendesk.oauth import Authority, OAuthError

CLIENT = {"client_id": "c", "client_secret": "s"}
CALLBACK = "http://127.0.0.1:8765/callback"


def authority_of(clock: VirtualClock) -> Authority:
    return Authority("c", "s", clock.clock)


def refused(authority: Authority, **asked: Any) -> str:
    with pytest.raises(OAuthError) as raised:
        authority.token(asked)
    return f"{raised.value.status} {raised.value.body['error']}"


def ask(authority: Authority, grant: str, **more: Any) -> dict[str, Any]:
    return authority.token({"grant_type": grant, **CLIENT, **more})


def test_client_credentials_give_an_access_token_alone_and_it_ends() -> None:
    clock = VirtualClock()
    authority = authority_of(clock)
    answer = ask(authority, "client_credentials", scope="read", expires_in=600)
    assert answer["expires_in"] == 600 and answer["token_type"] == "bearer"
    assert "refresh_token" not in answer
    assert authority.scopes_of(answer["access_token"]) == {"read"}
    clock.now += 599.9
    assert authority.scopes_of(answer["access_token"])
    clock.now += 0.1
    assert authority.scopes_of(answer["access_token"]) is None
    assert authority.as_dict()["refused_calls"] == 1
    assert authority.as_dict()["granted"] == {"client_credentials": 1}


def test_the_life_is_named_only_to_who_names_one() -> None:
    authority = authority_of(VirtualClock())
    assert "expires_in" not in ask(authority, "client_credentials")
    authority.steer({"expires_in": "null", "access_seconds": 20})
    assert ask(authority, "client_credentials", expires_in=600)["expires_in"] is None
    authority.steer({"expires_in": "asked"})
    assert ask(authority, "client_credentials", expires_in=600)["expires_in"] == 20
    with pytest.raises(msgspec.ValidationError):
        authority.steer({"acess_seconds": 20})


@pytest.mark.parametrize("seconds", [300, 172_800, 0, -5, "soon"])
def test_a_life_out_of_bounds_is_refused(seconds: Any) -> None:
    asked = {"grant_type": "client_credentials", **CLIENT, "expires_in": seconds}
    assert refused(authority_of(VirtualClock()), **asked) == "400 invalid_request"


def test_wrong_and_switched_off_clients_are_refused() -> None:
    authority = authority_of(VirtualClock())
    for wrong in ({"client_id": "x"}, {"client_secret": "x"}, {"client_secret": None}):
        asked = {"grant_type": "client_credentials", **CLIENT, **wrong}
        assert refused(authority, **asked) == "401 invalid_client"
    authority.steer({"client_enabled": False})
    assert refused(authority, grant_type="client_credentials", **CLIENT) == "401 invalid_client"
    authority.steer({"client_enabled": True, "kind": "public"})
    assert refused(authority, grant_type="client_credentials", **CLIENT) == "400 unauthorized_client"
    assert refused(authority, grant_type="password", **CLIENT) == "400 unsupported_grant_type"


def test_a_renewal_ends_the_old_pair_at_once_and_serves_once() -> None:
    clock = VirtualClock()
    authority = authority_of(clock)
    first = authority.issue({"scope": "read"})
    second = ask(authority, "refresh_token", refresh_token=first["refresh_token"])
    assert authority.scopes_of(first["access_token"]) is None
    assert authority.scopes_of(second["access_token"]) == {"read"}
    again = {"grant_type": "refresh_token", **CLIENT, "refresh_token": first["refresh_token"]}
    assert refused(authority, **again) == "400 invalid_grant"
    assert authority.as_dict()["dead_refresh_uses"] == 1
    clock.now += second["refresh_token_expires_in"]
    again["refresh_token"] = second["refresh_token"]
    assert refused(authority, **again) == "400 invalid_grant"


def test_a_code_serves_once_and_only_whoever_asked_for_it() -> None:
    verifier = "v" * 43
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    clock = VirtualClock()
    authority = authority_of(clock)

    def code_of(**more: str) -> str:
        sent = authority.authorize(
            {
                "response_type": "code",
                "client_id": "c",
                "redirect_uri": CALLBACK,
                "scope": "read",
                "state": "st",
                "code_challenge": challenge,
                "code_challenge_method": "S256",
                **more,
            }
        )
        query = parse_qs(urlsplit(sent).query)
        assert query["state"] == ["st"]
        return query["code"][0] if "code" in query else query["error"][0]

    good = {"client_id": "c", "redirect_uri": CALLBACK, "code_verifier": verifier}
    for wrong in ({"code_verifier": "x" * 43}, {"redirect_uri": CALLBACK + "2"}, {"code": "x"}):
        asked = {"grant_type": "authorization_code", "code": code_of(), **good, **wrong}
        assert refused(authority, **asked) == "400 invalid_grant"
    code = code_of()
    answer = authority.token({"grant_type": "authorization_code", "code": code, **good})
    assert answer["refresh_token"] and answer["scope"] == "read"
    assert refused(authority, grant_type="authorization_code", code=code, **good) == "400 invalid_grant"
    late = code_of()
    clock.now += 120
    assert refused(authority, grant_type="authorization_code", code=late, **good) == "400 invalid_grant"
    assert code_of(response_type="token") == "unsupported_response_type"
    assert code_of(code_challenge_method="plain") == "invalid_request"
    authority.steer({"consent": False})
    assert code_of() == "access_denied"
    with pytest.raises(OAuthError):
        code_of(redirect_uri="https://elsewhere.example.org/")


def test_scopes_and_revocation_are_looked_at_for_every_call() -> None:
    authority = authority_of(VirtualClock())
    login = Login("old", None, None, authority)
    token = ask(authority, "client_credentials", scope="tickets:read")["access_token"]
    header = f"Bearer {token}".encode()
    assert login.refusal(header, "GET", "/api/v2/incremental/tickets/cursor.json") is None
    refusal = login.refusal(header, "GET", "/api/v2/groups.json")
    assert refusal is not None and refusal.status == 403 and b"groups:read, read" in refusal.body
    refusal = login.refusal(header, "PUT", "/api/v2/tickets/1.json")
    assert refusal is not None and refusal.status == 403
    authority.revoke()
    refusal = login.refusal(header, "GET", "/api/v2/tickets/1.json")
    assert refusal is not None and refusal.status == 401 and b"invalid_token" in refusal.body
    assert login.refusal(b"Bearer old", "PUT", "/api/v2/tickets/1.json") is None
    authority.steer({"accepts_tokens": False})
    fresh = ask(authority, "client_credentials", scope="read")["access_token"]
    assert authority.scopes_of(fresh) is None
    assert needed_scopes("GET", "/api/v2/users/show_many.json") == ("users:read", "read")
