"""The sample Gemini as a process of its own: how people and the local stack start it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys

import httpx


def start(*options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-u", "-m", "ticketstream.local.sample.gemini", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_it_says_where_it_is_obeys_its_options_and_stops_on_sigterm() -> None:
    process = start("--api-key", "k", "--requests-per-minute", "2", "--quota-unit", "text")
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        with httpx.Client(base_url=url, transport=httpx.HTTPTransport(retries=5), timeout=30) as http:
            assert http.get("/_sample/health").json() == {"status": "ok"}
            requests = [{"content": {"parts": [{"text": "hello"}]}}] * 2
            codes = [
                http.post(
                    "/v1beta/models/gemini-embedding-001:batchEmbedContents",
                    json={"requests": requests},
                    headers={"x-goog-api-key": key},
                ).status_code
                for key in ("wrong", "k", "k")
            ]
        assert codes == [400, 200, 429]
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=15)
        assert errors == ""
    finally:
        process.kill()
        process.wait()


def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = start("--port", str(taken.getsockname()[1]))
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert errors.count("\n") == 1
    assert "choose another --port" in errors
