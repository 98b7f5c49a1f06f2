"""A receiver of webhooks, ``ticketstream serve``, as a process of the tests."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import httpx
from harness import Desk
from serve_process import ServeProcess

from schemas.settings.load import PREFIX
from ticketstream.local.sample.zendesk.webhooks import sign

SECRET = "a secret of the tests"
KEY = "an API key of the tests"


class Server(ServeProcess):
    """A running receiver with an API key."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, {f"{PREFIX}ZENDESK__WEBHOOK_SECRET": SECRET, f"{PREFIX}HTTP__API_KEY": KEY})
        self.start()
        self.client = httpx.Client(
            base_url=self.url, timeout=30, trust_env=False, headers={"Authorization": f"Bearer {KEY}"}
        )
        self.hook_url = f"{self.url}/webhooks/zendesk"

    def stop(self) -> int:
        """Ask it to stop and return its exit status."""
        self.client.close()
        return super().stop()

    def post(
        self, content: Any, *, secret: str = SECRET, at: float | None = None, **headers: str
    ) -> httpx.Response:
        """Send a signed webhook."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        moment = datetime.fromtimestamp(time.time() if at is None else at, UTC)
        timestamp = f"{moment:%Y-%m-%dT%H:%M:%SZ}"
        signed = {
            "X-Zendesk-Webhook-Signature": sign(secret, timestamp, body),
            "X-Zendesk-Webhook-Signature-Timestamp": timestamp,
        }
        return self.client.post("/webhooks/zendesk", content=body, headers=signed | headers)

    def raw(self, rest: bytes) -> bytes:
        """Send a request's end as it is; returns all of the answer, after which the server hangs up."""
        host, port = self.client.base_url.host, self.client.base_url.port or 0
        with socket.create_connection((host, port), timeout=20) as connection:
            connection.sendall(b"POST /webhooks/zendesk HTTP/1.1\r\nHost: x\r\n" + rest)
            answer = b""
            with suppress(ConnectionResetError):
                while part := connection.recv(65_536):
                    answer += part
            return answer

    def count(self, name: str, reason: str = "") -> int:
        """Return a counter of the server."""
        label = f'{{reason="{reason}"}}' if reason else ""
        text = self.client.get("/metrics").text
        (found,) = re.findall(
            rf"^ticketstream_webhooks_{name}_total{re.escape(label)} (\S+)$", text, re.MULTILINE
        )
        return int(float(found))

    def until_ready(self) -> None:
        deadline = time.monotonic() + 60
        while not (answer := self.client.get("/readyz").json())["ready"]:
            assert time.monotonic() < deadline, (answer, self.log())
            time.sleep(0.05)

    def until_kafka_is(self, state: str) -> None:
        deadline = time.monotonic() + 60
        while self.client.get("/healthz").json() != {"status": "ok", "kafka": state}:
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)


@contextmanager
def serving(desk: Desk) -> Iterator[Server]:
    server = Server(desk)
    try:
        server.until_kafka_is("reachable")
        yield server
    finally:
        assert server.stop() == 0, server.log()
