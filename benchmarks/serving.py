"""``ticketstream serve`` as a process of a benchmark."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
import psutil

from benchmarks.stack import BenchStack
from schemas.errors import StackError
from schemas.settings.load import PREFIX
from ticketstream.operations.orphans import dies_with_parent

_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 30.0


class Server(msgspec.Struct, kw_only=True):
    """A running server: its address, the key of its API, the secret of its webhooks, its process."""

    address: str
    key: str
    webhook_secret: str
    process: psutil.Process

    @property
    def hook_url(self) -> str:
        """Where it takes webhooks."""
        return f"{self.address}/webhooks/zendesk"


@contextmanager
def serving(stack: BenchStack) -> Iterator[Server]:
    """Run the server of a stack on a free port; raises StackError when it does not start."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    key, secret = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    chosen = {f"{PREFIX}HTTP__API_KEY": key, f"{PREFIX}ZENDESK__WEBHOOK_SECRET": secret}
    with tempfile.NamedTemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ticketstream", "serve", "--port", "0"],
            env=own | stack.environment | chosen,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=dies_with_parent(),
        )
        try:
            address = _address(process, Path(log.name))
            yield Server(address=address, key=key, webhook_secret=secret, process=psutil.Process(process.pid))
        finally:
            process.terminate()
            process.wait(_STOP_SECONDS)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        said = log.read_text(errors="replace")
        if (found := re.search(r"listening at (http://[^\s;]+)", said)) is not None:
            return found[1]
        if process.poll() is not None or time.monotonic() > deadline:
            raise StackError(f"serve does not start: {said[-500:]}")
        time.sleep(0.1)
