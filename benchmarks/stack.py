"""A stack and workers of their own for a benchmark, in a temporary folder, gone afterwards."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

import msgspec
import psutil

from schemas.errors import StackError
from schemas.settings.load import PREFIX, Settings
from streams.kafka.topics import ensure_topics
from ticketstream.local.sample.zendesk.control import SampleZendeskControl
from ticketstream.local.stack.api import LocalStack
from ticketstream.local.stack.options import StackOptions
from ticketstream.local.stack.records import read_state
from ticketstream.operations.workers.pool import WorkerPool

SINGLE: Final = {"ZENDESK__COMMENTS": "single"}
"""For workers whose calls for comments are measured: read in bulk, these would hardly touch the limit."""
BULK: Final = {"ZENDESK__COMMENTS": "bulk"}
_WORKERS_READY_SECONDS: Final = 120.0


class _LogLine(msgspec.Struct):
    event: str
    worker: int | None = None
    partitions: list[int] = []


class BenchStack:
    """Kafka, Weaviate and the sample services, and workers when they are wanted; a context manager.

    ``overrides`` are settings of the workers, without prefix, over those of the stack. Settings in the
    environment of whoever runs the benchmark do not count. Raises StackError.
    """

    def __init__(
        self, options: StackOptions, *, workers: int, overrides: Mapping[str, str] | None = None
    ) -> None:
        self.workers = workers
        self.folder = Path(tempfile.mkdtemp(prefix="ticketstream-bench-"))
        self._log_path = self.folder / "workers.log"
        self._local = LocalStack(self.folder, options)
        self._overrides = {PREFIX + name: value for name, value in (overrides or {}).items()}
        self._log: IO[bytes] | None = None
        self._pool: WorkerPool | None = None
        self.environment: dict[str, str] = {}

    def __enter__(self) -> Self:
        try:
            self.environment = self._local.start() | self._overrides
            asyncio.run(ensure_topics(self.settings))
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def start_workers(self, module: str | None = None) -> None:
        """Start the workers and wait until all partitions are served; ``module`` runs in place of theirs."""
        self.launch_workers(module)
        self._await_workers()

    def launch_workers(self, module: str | None = None) -> None:
        """Start the workers and return at once."""
        own = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        self._log = self._log_path.open("wb")
        self._pool = WorkerPool(self.workers, environment=own | self.environment, output=self._log)
        if module is not None:
            self._pool.command = (module,)
        self._pool.start()

    def stop_workers(self) -> None:
        """Stop the workers: a script beside which idle workers poll Kafka would have less of the cores."""
        if self._pool is not None:
            self._pool.stop()
            self._pool = None
        if self._log is not None:
            self._log.close()
            self._log = None

    def _stop(self) -> None:
        self.stop_workers()
        self._local.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def settings(self) -> Settings:
        """The settings that reach this stack, and nothing of the environment or of ``.env``."""
        groups: dict[str, Any] = {}
        for name, value in self.environment.items():
            group, _, field = name.removeprefix(PREFIX).lower().partition("__")
            if field:
                groups.setdefault(group, {})[field] = value
            else:
                groups[group] = value
        return Settings.model_validate(groups)

    @property
    def zendesk_url(self) -> str:
        """The address of the sample Zendesk."""
        return self.environment[f"{PREFIX}ZENDESK__BASE_URL"]

    def zendesk(self) -> SampleZendeskControl:
        """Return a client of the sample Zendesk's control side."""
        return SampleZendeskControl(self.zendesk_url)

    def worker_processes(self) -> dict[str, psutil.Process]:
        """Return the running workers by name."""
        pids = self._pool.pids if self._pool else []
        return {f"worker {number}": psutil.Process(pid) for number, pid in enumerate(pids, 1)}

    def services(self) -> dict[str, psutil.Process]:
        """Return Kafka, Weaviate and the sample services by name."""
        state = read_state(self._local.paths.state)
        return {one.name: psutil.Process(one.pid) for one in (state.services if state else ()) if one.pid}

    def processes(self) -> dict[str, psutil.Process]:
        """Return the services and the workers by name."""
        return self.services() | self.worker_processes()

    def worker_log(self, most: int = 1500) -> str:
        """Return the end of the workers' log."""
        return self._log_path.read_text(errors="replace")[-most:].strip()

    def _await_workers(self) -> None:
        """Wait until every partition has its worker, and every worker its partitions."""
        wanted = self.settings.kafka.partitions
        deadline = time.monotonic() + _WORKERS_READY_SECONDS
        while True:
            owned: dict[int, list[int]] = {}
            for line in self._log_path.read_bytes().splitlines():
                try:
                    entry = msgspec.json.decode(line[max(0, line.find(b"{")) :], type=_LogLine)
                except msgspec.DecodeError:
                    continue
                if entry.event == "partitions assigned" and entry.worker is not None:
                    owned[entry.worker] = entry.partitions
            all_owned = sorted(number for numbers in owned.values() for number in numbers)
            if len(owned) == self.workers and all_owned == list(range(wanted)):
                return
            if self._pool is None or len(self._pool.pids) < self.workers or time.monotonic() > deadline:
                raise StackError(f"the workers do not start: {self.worker_log() or 'they said nothing'}")
            time.sleep(0.2)


def unlimited(tickets: int) -> StackOptions:
    """Return a sample account without limits."""
    return StackOptions(sample=True, tickets=tickets, sample_no_limits=True)
