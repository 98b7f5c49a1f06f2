"""``ticketstream serve`` as a process of the tests."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping

from harness import Desk

from ticketstream.stack.processes import dies_with_parent

START_SECONDS = 60.0
STOP_SECONDS = 20.0


class ServeProcess:
    """Listens on a free port; started again, at the same one. ``variables`` go on top of the desk's."""

    def __init__(self, desk: Desk, variables: Mapping[str, str]) -> None:
        self._environment = desk.environment | variables
        self._folder = desk.data_dir
        self._log = desk.data_dir.with_name(f"serve-{uuid.uuid4().hex[:6]}.log")
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it, and return when it listens."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ticketstream", "serve", "--port", str(self._port)],
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=dies_with_parent(),
            )
        deadline = time.monotonic() + START_SECONDS
        while (found := re.search(r"listening at http://127\.0\.0\.1:(\d+)", self.log())) is None:
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)
        self._port = int(found[1])

    def stop(self) -> int:
        """Ask it to stop and return its exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise

    def log(self) -> str:
        """Return what it has written."""
        return self._log.read_text(errors="replace")
