"""A real Weaviate for tests: that of the shared stack, or one of a test's own."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from harness import Desk

from schemas.settings.load import Settings
from schemas.settings.weaviate import WeaviateSettings
from ticketstream.local.stack.build import ready_parts
from ticketstream.local.stack.ports import free_ports

START_SECONDS = 120


class WeaviateServer:
    """A Weaviate of one's own on free ports of this machine, to stop and to start again."""

    def __init__(self, folder: Path, api_key: str | None = None) -> None:
        self._folder = folder
        self._api_key = api_key
        self._ports = free_ports(6)
        self._process: subprocess.Popen[bytes] | None = None
        self.http_url = f"http://127.0.0.1:{self._ports[0]}"
        self.grpc_url = f"grpc://127.0.0.1:{self._ports[1]}"

    @property
    def settings(self) -> Settings:
        """Settings that reach the server, with its key."""
        return settings_for(self.http_url, self.grpc_url, self._api_key)

    def start(self) -> None:
        """Start the server and return when it is ready."""
        parts = ready_parts(with_kafka=False, with_weaviate=True, progress=lambda *_: None)
        port = str(self._ports[0])
        command = [str(parts.weaviate_server), "--host", "127.0.0.1", "--port", port, "--scheme", "http"]
        with (self._folder / "weaviate.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env=self._environment(), cwd=self._folder, stdout=log, stderr=log
            )
        self._await_ready()

    def stop(self) -> None:
        """Stop the server; its data stays."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _await_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                break
            try:
                if httpx.get(f"{self.http_url}/v1/.well-known/ready", timeout=2).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
        self.stop()
        log = (self._folder / "weaviate.log").read_text(errors="replace")
        pytest.fail(f"Weaviate did not become ready: {log[-1000:]}")

    def _environment(self) -> dict[str, str]:
        _, grpc, gossip, data, raft, rpc = map(str, self._ports)
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "PERSISTENCE_DATA_PATH": str(self._folder / "data"),
            "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "false" if self._api_key else "true",
            "DEFAULT_VECTORIZER_MODULE": "none",
            "CLUSTER_HOSTNAME": "node1",
            "CLUSTER_ADVERTISE_ADDR": "127.0.0.1",
            "CLUSTER_GOSSIP_BIND_PORT": gossip,
            "CLUSTER_DATA_BIND_PORT": data,
            "RAFT_PORT": raft,
            "RAFT_INTERNAL_RPC_PORT": rpc,
            "RAFT_BOOTSTRAP_EXPECT": "1",
            "GRPC_PORT": grpc,
            "DISABLE_TELEMETRY": "true",
            "GO_PROFILING_DISABLE": "true",
            "GOMAXPROCS": "2",
        }
        if self._api_key:
            environment |= {
                "AUTHENTICATION_APIKEY_ENABLED": "true",
                "AUTHENTICATION_APIKEY_ALLOWED_KEYS": self._api_key,
                "AUTHENTICATION_APIKEY_USERS": "tester",
            }
        return environment


@contextmanager
def own_server(api_key: str | None = None) -> Iterator[WeaviateServer]:
    """A running Weaviate with a folder of its own, of which nothing stays."""
    with tempfile.TemporaryDirectory(prefix="weaviate-", ignore_cleanup_errors=True) as folder:
        server = WeaviateServer(Path(folder), api_key)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def settings_for(http_url: str, grpc_url: str, api_key: str | None = None) -> Settings:
    """Return settings that reach a Weaviate."""
    return Settings(
        _env_file=None,
        weaviate=WeaviateSettings.model_validate(
            {"http_url": http_url, "grpc_url": grpc_url, "api_key": api_key}
        ),
    )


@pytest.fixture(scope="session")
def weaviate_settings(shared_desk: Desk) -> Settings:
    """Settings of the Weaviate that all tests share."""
    weaviate = shared_desk.settings.weaviate
    return settings_for(str(weaviate.http_url), str(weaviate.grpc_url))
