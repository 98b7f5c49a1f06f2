"""A receiver of webhooks, ``ticketstream serve``, as a process of the tests."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import httpx
from harness import Desk

from schemas.settings import PREFIX
from ticketstream.sample.zendesk.webhooks import sign
from ticketstream.stack.processes import dies_with_parent

SECRET = "a secret of the tests"
KEY = "an API key of the tests"


class Server:
    """A process ``ticketstream serve`` on a free port."""

    def __init__(self, desk: Desk) -> None:
        self._log = desk.data_dir.with_name(f"serve-{uuid.uuid4().hex[:6]}.log")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ticketstream", "serve", "--port", "0"],
                env=desk.environment
                | {f"{PREFIX}ZENDESK__WEBHOOK_SECRET": SECRET, f"{PREFIX}HTTP__API_KEY": KEY},
                cwd=desk.data_dir,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=dies_with_parent(),
            )
        deadline = time.monotonic() + 60
        while (found := re.search(r"listening at (http://127\.0\.0\.1:\d+)", self.log())) is None:
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)
        self.client = httpx.Client(
            base_url=found[1], timeout=30, trust_env=False, headers={"Authorization": f"Bearer {KEY}"}
        )
        self.hook_url = f"{found[1]}/webhooks/zendesk"

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def stop(self) -> int:
        self.client.close()
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise

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
