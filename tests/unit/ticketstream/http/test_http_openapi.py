"""The OpenAPI document, and what the whole app answers while nothing is there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from schemas.settings.load import PREFIX, load_settings
from tests.http_fixtures import BEARER, KEY, assert_problem
from ticketstream.http.server import build_app

ALL_CALLS = """
get /healthz
get /readyz
get /metrics
post /webhooks/zendesk
post /api/v1/session
delete /api/v1/session
get /api/v1/overview
get /api/v1/history
get /api/v1/events
get /api/v1/imports
post /api/v1/imports
get /api/v1/imports/{import_id}
post /api/v1/imports/{import_id}/resume
post /api/v1/imports/{import_id}/cancel
get /api/v1/imports/{import_id}/events
get /api/v1/search
get /api/v1/dead-letters
get /api/v1/dead-letters/{letter_id}
post /api/v1/dead-letters/retry
""".strip().splitlines()
OPEN_CALLS = {("/healthz", "get"), ("/readyz", "get"), ("/webhooks/zendesk", "post")} | {
    ("/api/v1/session", method) for method in ("post", "delete")
}


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    for name, value in (("ZENDESK__SUBDOMAIN", "acme"), ("KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:9")):
        monkeypatch.setenv(PREFIX + name, value)
    return build_app(load_settings(), KEY)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=BEARER) as made:
        yield made


def operations(app: FastAPI) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in app.openapi()["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_every_route_is_described_with_its_problems_and_what_lets_in(app: FastAPI) -> None:
    document = app.openapi()
    assert document["security"] == [{"key": []}, {"session": []}]
    assert set(document["components"]["securitySchemes"]) == {"key", "session"}
    assert {f"{method} {path}" for path, method, _ in operations(app)} == set(ALL_CALLS)
    for path, method, operation in operations(app):
        is_open = (path, method) in OPEN_CALLS
        assert (operation.get("security") == []) is is_open, path
        assert "401" in operation["responses"] or is_open, path
        assert operation.get("summary"), path
        assert operation.get("description"), path
        for status, answer in operation["responses"].items():
            assert answer["description"], (path, status)
            if int(status) >= 400 and path != "/readyz":
                (media,) = answer["content"]
                assert media == "application/problem+json", (path, status)
    assert "HTTPValidationError" not in str(document)


async def test_the_document_needs_the_key(client: httpx.AsyncClient) -> None:
    assert (await client.get("/openapi.json")).json()["info"]["title"] == "ticketstream"
    assert_problem(await client.get("/openapi.json", headers={"Authorization": "Bearer x"}), 401)


async def test_before_kafka_is_reached_nothing_is_made_up(client: httpx.AsyncClient) -> None:
    seen = (await client.get("/api/v1/overview")).json()
    assert seen["state"] == "unknown"
    assert "Kafka" in seen["reason"]
    assert seen["held_up_by"] is None
    assert seen["workers"] is None
    assert seen["source"] == {"rate": None}
    assert seen["sink"] == {"rate": None, "chunks": None}
    assert seen["dead_letters"] == {"open": None, "live": None}
    assert {stage["stage"]: (stage["backlog"], stage["rate"]) for stage in seen["stages"]} == {
        "enrich": (None, None),
        "embed": (None, None),
        "index": (None, None),
    }
    assert (await client.get("/api/v1/history")).json() == {"step_seconds": 10, "points": []}
    ready = await client.get("/readyz")
    assert ready.status_code == 503
    assert {one["name"]: one["ready"] for one in ready.json()["dependencies"]} == {
        "kafka": False,
        "workers": False,
        "weaviate": False,
    }


@pytest.mark.parametrize(
    ("method", "path", "body", "told"),
    [
        ("GET", "/api/v1/search", None, "query.q"),
        ("GET", "/api/v1/search?q=", None, "query.q"),
        ("GET", "/api/v1/search?q=%00%20", None, "give some words"),
        ("GET", "/api/v1/search?q=x&limit=0", None, "query.limit"),
        ("GET", "/api/v1/search?q=x&limit=1000", None, "query.limit"),
        ("POST", "/api/v1/imports", {"since": "soon"}, "since 'soon' is no date"),
        ("POST", "/api/v1/imports", {"since": "2099-01-01"}, "future"),
        ("POST", "/api/v1/imports", {"file": "/etc/passwd"}, "file"),
        ("POST", "/api/v1/dead-letters/retry", {}, "one of"),
        ("POST", "/api/v1/dead-letters/retry", {"all": False}, "all"),
        ("POST", "/api/v1/dead-letters/retry", {"all": None}, "one of"),
        ("POST", "/api/v1/dead-letters/retry", {"all": True, "ids": ["x"]}, "one of"),
        ("POST", "/api/v1/dead-letters/retry", {"ids": []}, "ids"),
        ("POST", "/api/v1/dead-letters/retry", {"ids": ["x"] * 1_001}, "ids"),
    ],
)
async def test_what_makes_no_sense_is_said(
    client: httpx.AsyncClient, method: str, path: str, body: Any, told: str
) -> None:
    answer = await client.request(method, path, json=body)
    assert_problem(answer, 422)
    assert told in answer.json()["detail"]
