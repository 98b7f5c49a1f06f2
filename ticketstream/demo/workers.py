"""The demo's workers: their processes, and waiting until they are ready."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

import msgspec

from schemas.cluster import Cluster
from schemas.errors import StackError
from streams.kafka.group_members import active_workers
from ticketstream.local.stack.build import log_tail
from ticketstream.local.stack.processes import clean_environment
from ticketstream.operations.progress import ProgressHook
from ticketstream.operations.workers.pool import WorkerPool
from ticketstream.terminal.untrusted import one_line, shortened

READY_SECONDS: Final = 90.0
_ERROR_CHARACTERS: Final = 300


@dataclass
class DemoWorkers:
    """Worker processes that see these settings and nothing of the user's.

    ``deaths`` tells in words of each worker that ended and was started again.
    """

    count: int
    environment: Mapping[str, str]
    folder: Path
    log: Path
    deaths: list[str] = field(default_factory=list)
    _pool: WorkerPool | None = None
    _watch: threading.Thread | None = None
    _output: IO[bytes] | None = None

    def start(self) -> None:
        """Start the processes and keep them running until ``stop``. Raises OSError."""
        # It stays open: workers that are started again write to it too.
        self._output = self.log.open("ab")
        self._pool = WorkerPool(
            self.count,
            environment=clean_environment(PYTHONUNBUFFERED="1") | dict(self.environment),
            note=self.deaths.append,
            output=self._output,
            cwd=self.folder,
        )
        self._pool.start()
        self._watch = threading.Thread(target=self._pool.watch, name="demo-workers", daemon=True)
        self._watch.start()

    async def ready(self, cluster: Cluster, progress: ProgressHook) -> None:
        """Return when all have joined; raises StackError when one ends instead, or they take too long."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            progress("starting", f"{self.count} workers")
            if self.deaths:
                raise StackError(f"{self.deaths[0]}: {first_error(self.log)} (log: {self.log})")
            if len(await active_workers(cluster)) >= self.count:
                return
            if time.monotonic() > deadline:
                raise StackError(
                    f"the workers are not ready after {READY_SECONDS:.0f} s: {first_error(self.log)} "
                    f"(log: {self.log})"
                )
            await asyncio.sleep(0.2)

    def stop(self) -> None:
        """Stop them; what is in flight is finished."""
        if self._pool is not None:
            self._pool.ask_to_stop()
            if self._watch is not None:
                self._watch.join()  # or it could start a worker again that has just been stopped
            self._pool.stop()
        if self._output is not None:
            self._output.close()


def first_error(log: Path) -> str:
    """Return the first error that workers logged, as one line, or else the end of the log."""
    with suppress(OSError), log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith("error: "):
                return shortened(one_line(line.removeprefix("error: ")), _ERROR_CHARACTERS)
            with suppress(msgspec.DecodeError):
                event = msgspec.json.decode(line, type=_Event)
                if event.level == "error":
                    return shortened(one_line(f"{event.event} {event.error}"), _ERROR_CHARACTERS)
    return log_tail(log)


class _Event(msgspec.Struct):
    event: str = ""
    level: str = ""
    error: str = ""
