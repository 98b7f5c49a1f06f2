"""Answers to a request for a token, and what each means."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest

from schemas.errors import CredentialsError, RateLimitedError, UnavailableError
from streams.secrets import kept_secrets
from streams.sources.zendesk.tokens import ClientCredentials, Granted

SECRET = "the-client-secret"


class Service:
    def __init__(self, status: int = 200, body: Any = None, **headers: str) -> None:
        self.status, self.headers = status, headers
        self.body = body if isinstance(body, bytes) else msgspec.json.encode(body)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        headers = {"Content-Type": "application/json", **self.headers}
        return httpx.Response(self.status, content=self.body, headers=headers)

    async def ask(self) -> Granted:
        asking = ClientCredentials(
            "https://acme.zendesk.com/", "the-id", SECRET, "read", transport=httpx.MockTransport(self)
        )
        return await asking.ask()


async def test_the_request_is_as_zendesk_documents_it() -> None:
    service = Service(body={"access_token": "at-123456", "token_type": "bearer", "expires_in": 1800})
    got = await service.ask()
    assert (got.access_token, got.seconds) == ("at-123456", 1800.0)
    request = service.requests[0]
    assert (request.method, str(request.url)) == ("POST", "https://acme.zendesk.com/oauth/tokens")
    assert request.headers["content-type"] == "application/json"
    assert msgspec.json.decode(request.content) == {
        "grant_type": "client_credentials",
        "client_id": "the-id",
        "client_secret": SECRET,
        "scope": "read",
        "expires_in": 1800,
    }
    assert "at-123456" in kept_secrets()


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ({}, None),
        ({"expires_in": None}, None),
        ({"expires_in": "900"}, 900.0),
        ({"expires_in": 0.5}, 0.5),
        ({"expires_in": 0}, None),
        ({"expires_in": -1}, None),
        ({"expires_in": True}, None),
        ({"expires_in": "soon"}, None),
        ({"expires_in": [1]}, None),
        ({"expires_in": 1e300}, None),
    ],
)
async def test_a_life_that_makes_no_sense_is_unknown(given: dict[str, Any], seconds: float | None) -> None:
    assert (await Service(body={"access_token": "at-1", **given}).ask()).seconds == seconds


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>We'll be right back</html>",
        b"[" * 100_000,
        b"\xff\xfe",
        {},
        [],
        {"access_token": None},
        {"access_token": ""},
        {"access_token": 5},
        {"access_token": "a\r\nX-Evil: 1"},
        {"access_token": "two words"},
        {"access_token": "tökén"},
        {"access_token": "x" * 10_000},
        b" " * 300_000,
    ],
)
async def test_a_success_without_a_token_may_pass(body: Any) -> None:
    with pytest.raises(UnavailableError):
        await Service(body=body).ask()


@pytest.mark.parametrize(
    ("status", "error", "kind", "says"),
    [
        (401, "invalid_client", CredentialsError, "ZENDESK__OAUTH_CLIENT_SECRET"),
        (400, "invalid_client", CredentialsError, "ZENDESK__OAUTH_CLIENT_ID"),
        (400, "unauthorized_client", CredentialsError, "must be a confidential one"),
        (400, "invalid_scope", CredentialsError, "ZENDESK__OAUTH_SCOPE"),
        (403, None, CredentialsError, "ZENDESK__OAUTH_CLIENT_ID"),
        (422, {"a": 1}, CredentialsError, "ZENDESK__OAUTH_CLIENT_ID"),
        (429, None, RateLimitedError, "429"),
        (500, None, UnavailableError, "500"),
        (503, "down", UnavailableError, "503"),
        (302, None, UnavailableError, "ZENDESK__SUBDOMAIN"),
        (404, None, UnavailableError, "ZENDESK__BASE_URL"),
    ],
)
async def test_refusals(status: int, error: Any, kind: type[Exception], says: str) -> None:
    body = {"error": error, "error_description": f"you sent {SECRET}"}
    with pytest.raises(kind, match=says) as raised:
        await Service(status, body, **{"Retry-After": "7"}).ask()
    line = str(raised.value)
    assert SECRET not in line and "\n" not in line
    if status in (429, 503):
        assert getattr(raised.value, "retry_after", None) == 7.0


@pytest.mark.parametrize("error", [httpx.ConnectError("refused"), httpx.ReadError(""), OSError("no route")])
async def test_no_answer_may_pass(error: Exception) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise error

    asking = ClientCredentials("https://a", "i", SECRET, "read", transport=httpx.MockTransport(fail))
    with pytest.raises(UnavailableError, match="https://a/oauth/tokens"):
        await asking.ask()
