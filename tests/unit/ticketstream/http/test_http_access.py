"""Who gets in: the key, sessions, other sites; how much and how long a request may be."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, Request
from sse_starlette import EventSourceResponse
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from schemas.errors import SettingsError, UserError
from schemas.settings.load import PREFIX, load_settings
from tests.http_fixtures import API_KEY, BEARER, KEY, assert_problem
from ticketstream.http.access.api_key import COOKIE, KEY_FILE, SESSION_SECONDS, ApiKey, find_key
from ticketstream.http.access.session import PATH, session_router
from ticketstream.http.api.health import health_router
from ticketstream.http.app import REQUEST_BYTES, create_app
from ticketstream.http.webhooks.receiver import NO_SECRET, webhooks_router

FROM_PAGE = {"X-Requested-With": "ticketstream"}

# The key.


def test_only_the_key_is_the_key() -> None:
    key = ApiKey("s" * 20)
    assert key.matches("s" * 20)
    for other in ("", "s" * 19, "s" * 21, "ş" * 20, "\ud800", "s" * 5_000):
        assert not key.matches(other)


def test_a_session_ends_with_its_time_and_with_the_key() -> None:
    session = KEY.new_session(1_000.0)
    assert KEY.is_session(session, 1_000.0)
    assert KEY.is_session(session, 999.0 + SESSION_SECONDS)
    assert not KEY.is_session(session, 1_000.0 + SESSION_SECONDS)
    assert not ApiKey("another key of the tests").is_session(session, 1_000.0)
    expires, _, mac = session.partition(".")
    later = f"{int(expires) + 1}.{mac}"
    for forged in ("", ".", expires, later, f"x.{mac}", f"{expires}.{mac}0", "\ud800.é"):
        assert not KEY.is_session(forged, 1_000.0)
    assert API_KEY not in session


def test_a_key_is_made_once_for_its_owner_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}DATA_DIR", str(tmp_path / "new" / "data"))
    path = tmp_path / "new" / "data" / KEY_FILE
    before = os.umask(0)
    try:
        made, where = find_key(load_settings())
    finally:
        os.umask(before)
    assert where == path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = path.read_text().strip()
    assert len(key) > 40
    assert made.matches(key)
    path.chmod(0o644)
    again, _ = find_key(load_settings())
    assert again.matches(key)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == [KEY_FILE]


def test_the_key_of_the_settings_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}DATA_DIR", str(tmp_path))
    monkeypatch.setenv(f"{PREFIX}HTTP__API_KEY", API_KEY)
    key, where = find_key(load_settings())
    assert key.matches(API_KEY)
    assert where is None
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv(f"{PREFIX}HTTP__API_KEY", "too short")
    with pytest.raises(SettingsError, match="HTTP__API_KEY") as refused:
        load_settings()
    assert "too short" not in str(refused.value)


def test_a_file_without_a_key_and_a_folder_that_cannot_be_made_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{PREFIX}DATA_DIR", str(tmp_path))
    (tmp_path / KEY_FILE).touch()
    with pytest.raises(UserError, match="holds no API key: delete it"):
        find_key(load_settings())
    monkeypatch.setenv(f"{PREFIX}DATA_DIR", str(tmp_path / KEY_FILE / "below"))
    with pytest.raises(UserError, match="HTTP__API_KEY"):
        find_key(load_settings())


# Who gets in.


def router() -> APIRouter:
    made = APIRouter()

    @made.get("/api/v1/thing")
    async def thing() -> dict[str, str]:
        return {"a": "thing"}

    @made.post("/api/v1/thing")
    async def change(body: dict[str, Any]) -> dict[str, int]:
        return {"size": len(body)}

    @made.post("/api/v1/raw")
    async def raw(request: Request) -> dict[str, int]:
        return {"size": len(await request.body())}

    @made.get("/api/v1/stream")
    async def stream() -> EventSourceResponse:
        async def events() -> AsyncIterator[bytes]:
            for number in range(3):
                await asyncio.sleep(0.1)
                yield b"data: %d\n\n" % number

        return EventSourceResponse(events())

    @made.websocket("/api/v1/live")
    async def live(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("hello")
        await websocket.close()

    return made


def app(**options: Any) -> Any:
    routers = (router(), session_router(KEY), health_router(lambda: True), webhooks_router(None))
    return create_app(routers, key=KEY, **options)


def client(**options: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app(**options), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="https://test")


async def test_without_the_key_nothing_is_told_but_health() -> None:
    async with client() as nobody:
        for path in ("/api/v1/thing", "/api/v1/nothing", "/metrics", "/openapi.json", "/static/../metrics"):
            for headers in (
                {},
                {"Authorization": "Bearer wrong"},
                {"Authorization": API_KEY},
                {"Authorization": f"Basic {API_KEY}"},
                {"Cookie": f"{COOKIE}={API_KEY}"},
                {"X-Api-Key": API_KEY},
            ):
                answer = await nobody.get(httpx.URL("https://test", raw_path=path.encode()), headers=headers)
                assert_problem(answer, 401)
                assert answer.headers["www-authenticate"] == "Bearer"
        twice = [("Authorization", f"Bearer {API_KEY}"), ("Authorization", "Bearer x")]
        assert_problem(await nobody.get("/api/v1/thing", headers=twice), 401)
        for path in ("/healthz", "/readyz"):
            assert (await nobody.get(path)).status_code == 200
        assert (await nobody.get("/api/v1/thing", headers=BEARER)).json() == {"a": "thing"}
        lower = {"Authorization": f"bearer {API_KEY}"}
        assert (await nobody.get("/api/v1/thing", headers=lower)).status_code == 200


async def test_with_the_key_what_is_not_there_is_said() -> None:
    async with client() as known:
        assert_problem(await known.get("/api/v1/nothing", headers=BEARER), 404)
        assert_problem(await known.get("/api/v1/thing/", headers=BEARER), 404)
        answer = await known.delete("/api/v1/thing", headers=BEARER)
        assert_problem(answer, 405)
        assert answer.headers["allow"] == "GET, POST"
        assert_problem(await known.get("/webhooks/zendesk"), 405)


async def test_a_session_stands_for_the_key() -> None:
    async with client() as page:
        assert_problem(await page.post(PATH, json={"key": "a wrong key"}), 401)
        assert not page.cookies
        began = await page.post(PATH, json={"key": API_KEY})
        assert began.status_code == 204
        cookie = began.headers["set-cookie"]
        assert all(each in cookie for each in ("HttpOnly", "SameSite=strict", "Path=/", "Secure"))
        assert API_KEY not in cookie
        assert (await page.get("/api/v1/thing")).status_code == 200
        assert_problem(await page.post("/api/v1/thing", json={}), 403)
        assert_problem(await page.post("/api/v1/thing", json={}, headers={"X-Requested-With": "x"}), 403)
        assert (await page.post("/api/v1/thing", json={}, headers=FROM_PAGE)).status_code == 200
        # With the key itself no other site can have sent it.
        assert (await page.post("/api/v1/thing", json={}, headers=BEARER)).status_code == 200
        assert (await page.delete(PATH)).status_code == 204
        assert not page.cookies
        assert_problem(await page.get("/api/v1/thing"), 401)


async def test_over_plain_http_the_cookie_comes_back() -> None:
    transport = httpx.ASGITransport(app())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as page:
        assert "Secure" not in (await page.post(PATH, json={"key": API_KEY})).headers["set-cookie"]
        assert (await page.get("/api/v1/thing")).status_code == 200


async def test_a_wrong_login_repeats_nothing_of_what_was_sent() -> None:
    async with client() as page:
        for body in ({"key": ["hunter2"]}, {"Key": "hunter2"}, {"key": ""}, {"key": "k", "hunter2": 1}, []):
            answer = await page.post(PATH, json=body)
            assert_problem(answer, 422)
            assert "hunter2" not in answer.text or "hunter2" in body
        surrogate = await page.post(
            PATH, content=b'{"key": "\\ud800"}', headers={"Content-Type": "application/json"}
        )
        assert surrogate.status_code in (401, 422)
        odd = await page.post(PATH, content=b'{"\\ud800": 1}', headers={"Content-Type": "application/json"})
        assert_problem(odd, 422)


def connected(headers: dict[str, str]) -> str:
    browser = TestClient(app(), base_url="http://desk:8088")
    with browser.websocket_connect("/api/v1/live", headers=headers) as socket:
        return socket.receive_text()


def test_a_websocket_needs_the_key_and_an_origin_of_this_server() -> None:
    session = {"Cookie": f"{COOKIE}={KEY.new_session(2e9)}"}
    here = {"Origin": "http://desk:8088", "Host": "desk:8088"}
    assert connected(BEARER) == "hello"
    assert connected(session | here) == "hello"
    assert connected(session | {"Origin": "HTTPS://DESK:8088", "Host": "desk:8088"}) == "hello"
    for refused in (
        {},
        {"Authorization": "Bearer wrong"},
        here,
        session,
        session | {"Origin": "http://desk"},
        session | {"Origin": "http://evil.example"},
        session | {"Origin": "null"},
        session | {"Origin": "http://[", "Host": "["},
        BEARER | {"Origin": "http://evil.example"},
    ):
        with pytest.raises(WebSocketDisconnect):
            connected({"Host": "desk:8088"} | refused)


# Limits.


async def test_a_body_may_not_be_too_large_with_or_without_its_length() -> None:
    async def parts(count: int) -> AsyncIterator[bytes]:
        for _ in range(count):
            yield b"x" * 1_000

    async with client() as known:
        known.headers.update(BEARER)
        fits = REQUEST_BYTES // 1_000
        assert (await known.post("/api/v1/raw", content=b"x" * REQUEST_BYTES)).json() == {
            "size": REQUEST_BYTES
        }
        assert (await known.post("/api/v1/raw", content=parts(fits))).json() == {"size": fits * 1_000}
        for path in ("/api/v1/raw", "/api/v1/thing", PATH):
            json = {"Content-Type": "application/json"}
            assert_problem(await known.post(path, content=b"x" * (REQUEST_BYTES + 1), headers=json), 413)
            assert_problem(await known.post(path, content=parts(fits + 2), headers=json), 413)


async def test_an_event_stream_may_take_longer_than_a_request() -> None:
    async with client(request_seconds=0.2) as known:
        answer = await known.get("/api/v1/stream", headers=BEARER)
    assert answer.text == "data: 0\n\ndata: 1\n\ndata: 2\n\n"


# Readiness and webhooks.


async def test_readiness_names_what_is_away() -> None:
    reasons: dict[str, str | None] = {"kafka": None, "weaviate": "no answer within 4 s"}
    made = create_app([health_router(lambda: True, lambda: reasons)], key=KEY)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(made), base_url="http://test") as probe:
        answer = await probe.get("/readyz")
        assert answer.status_code == 503
        assert answer.json() == {
            "ready": False,
            "dependencies": [
                {"name": "kafka", "ready": True, "reason": "ready"},
                {"name": "weaviate", "ready": False, "reason": "no answer within 4 s"},
            ],
        }
        reasons["weaviate"] = None
        assert (await probe.get("/readyz")).json()["ready"]


async def test_without_its_secret_a_webhook_is_told_which_setting_is_missing() -> None:
    async with client() as zendesk:
        answer = await zendesk.post("/webhooks/zendesk", json={})
    assert_problem(answer, 503)
    assert answer.json()["detail"] == NO_SECRET
