"""``ticketstream serve`` as a process of the tests."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping

from forked_process import ForkedProcess
from harness import Desk

START_SECONDS = 60.0
STOP_SECONDS = 20.0


class ServeProcess:
    """Listens on a free port; started again, at the same one. ``variables`` go on top of the desk's."""

    def __init__(self, desk: Desk, variables: Mapping[str, str]) -> None:
        self._environment = desk.environment | variables
        self._folder = desk.data_dir
        self._log = desk.data_dir.with_name(f"serve-{uuid.uuid4().hex[:6]}.log")
        self._process: ForkedProcess | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it, and return when it listens."""
        self._log.write_bytes(b"")
        self._process = ForkedProcess(
            "ticketstream",
            "serve",
            "--port",
            str(self._port),
            environment=self._environment,
            folder=self._folder,
            out=self._log,
        )
        deadline = time.monotonic() + START_SECONDS
        while (found := re.search(r"listening at http://127\.0\.0\.1:(\d+)", self.log())) is None:
            assert self._process.runs, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)
        self._port = int(found[1])

    def stop(self) -> int:
        """Ask it to stop and return its exit status."""
        assert self._process is not None
        return self._process.terminate(STOP_SECONDS)

    def log(self) -> str:
        """Return what it has written."""
        return self._log.read_text(errors="replace")
