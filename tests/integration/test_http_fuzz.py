"""Whatever is sent to ``serve``: no 500, and every answer is one the OpenAPI document describes."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from conftest import Imported
from harness import Desk
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from receiver import KEY, Server, serving

from schemas.settings.load import Settings
from ticketstream.http.access.api_key import ApiKey
from ticketstream.http.server import build_app

EXAMPLES = 12
BEARER = {"Authorization": f"Bearer {KEY}"}
BOUNDED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def document() -> dict[str, Any]:
    """Return the OpenAPI document; it is the same whatever the settings are."""
    made = Settings.model_validate({"kafka": {"bootstrap_servers": "x:1"}, "zendesk": {"subdomain": "acme"}})
    return build_app(made, ApiKey(KEY)).openapi()


# Streams have no end that could be waited for.
schema = schemathesis.openapi.from_dict(document()).exclude(path_regex="/events$")


@pytest.fixture(scope="module")
def server(shared_desk: Desk, first_import: Imported) -> Iterator[Server]:
    assert first_import.record.status == "completed"
    with serving(shared_desk) as server:
        server.until_ready()
        yield server


def changes_the_desk(case: Any) -> bool:
    """Say whether a request would start an import, or retry letters that other tests have left."""
    body = case.body
    if case.path == "/api/v1/imports" and case.method == "POST":
        return not isinstance(body, dict) or body.get("since") is None
    return case.path.endswith("/retry") and isinstance(body, dict) and body.get("all") is True


@schema.parametrize()
@BOUNDED
def test_answers_are_as_described(server: Server, case: Any) -> None:
    if changes_the_desk(case):
        return
    checks = schemathesis.checks
    case.call_and_validate(
        base_url=str(server.client.base_url),
        headers=BEARER,
        timeout=30,
        # A date that is none is well-formed all the same.
        excluded_checks=[checks.positive_data_acceptance],
    )


text = st.text(st.characters(codec="latin-1"), max_size=60)
name = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=20)
HANDSHAKE = {
    "Host": "127.0.0.1",
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Authorization": f"Bearer {KEY}",
}


def raw(server: Server, head: str, after: bytes = b"") -> bytes:
    """Send a request as it stands; returns the first of the answer, nothing when there is none."""
    host, port = server.client.base_url.host, server.client.base_url.port or 0
    with socket.create_connection((host, port), timeout=10) as connection:
        connection.sendall(head.encode("latin-1") + after)
        connection.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError, TimeoutError):
            return connection.recv(65_536)
    return b""


def lives(server: Server) -> bool:
    return server.client.get("/healthz").status_code == 200


@BOUNDED
@given(
    changed=st.dictionaries(st.sampled_from(sorted(HANDSHAKE)), st.none() | text, max_size=3),
    more=st.dictionaries(name, text, max_size=3),
    after=st.binary(max_size=200),
)
def test_a_handshake_is_taken_or_refused(
    server: Server, changed: dict[str, str | None], more: dict[str, str], after: bytes
) -> None:
    headers = {key: value for key, value in (HANDSHAKE | changed | more).items() if value is not None}
    lines = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
    answer = raw(server, f"GET /api/v1/live HTTP/1.1\r\n{lines}\r\n", after)
    if answer:
        status = int(answer.split(b" ", 2)[1])
        assert status == 101 or 400 <= status < 500, answer
        if changed.keys() & {"Authorization"}:
            assert status != 101
    assert lives(server)


@BOUNDED
@given(
    headers=st.lists(st.tuples(name, text), max_size=5),
    authorization=text,
    cookie=text,
    path=st.text(st.characters(codec="ascii", exclude_characters=" \r\n#?"), max_size=40),
)
def test_headers_of_any_kind_let_nobody_in(
    server: Server, headers: list[tuple[str, str]], authorization: str, cookie: str, path: str
) -> None:
    given_ = [*headers, ("authorization", authorization), ("cookie", f"ticketstream_session={cookie}")]
    lines = "".join(f"{key}: {value}\r\n" for key, value in given_ if key not in ("host", "content-length"))
    answer = raw(server, f"GET /api/v1/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n")
    if answer:
        # A session may be begun without a key, but not with a GET.
        assert int(answer.split(b" ", 2)[1]) in (400, 401, 405), answer
    assert lives(server)


def test_nothing_of_it_was_a_failure_of_the_server(server: Server) -> None:
    assert "Traceback" not in server.log()
    assert KEY not in server.log()
