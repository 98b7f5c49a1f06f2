"""An import while nobody watches it over the HTTP API, and while hundreds do."""

from __future__ import annotations

import os
import re
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Final

import msgspec
import psutil

from benchmarks.figures import Findings, at_least, plain
from benchmarks.pipeline import ImportFigures, measured_import
from benchmarks.stack import BenchStack, unlimited
from benchmarks.usage import quiet_down
from schemas.errors import StackError
from schemas.settings import PREFIX

WATCHERS: Final = 200
_ROUNDS: Final = 2
_LEAST_SHARE: Final = 0.95
_START_SECONDS: Final = 60.0

Note = Callable[[str], None]


class Watched(msgspec.Struct, kw_only=True):
    """What the watchers got: overviews of the one that got fewest, and processor seconds of the server."""

    seconds: float
    fewest: int
    server_cpu_seconds: float


def run(*, tickets: int, workers: int, note: Note) -> Findings:
    """Import a fresh account again and again, in turn without and with watchers."""
    alone: list[ImportFigures] = []
    with_watchers: list[ImportFigures] = []
    watched: list[Watched] = []
    for number in range(_ROUNDS):
        # Each once the first: whatever drifts hits both.
        for crowd in (0, WATCHERS) if number % 2 == 0 else (WATCHERS, 0):
            note(f"pipeline, {tickets:,} tickets, {workers} workers, {crowd} watchers")
            figures, seen = _import(tickets, workers, crowd)
            (with_watchers if crowd else alone).append(figures)
            if crowd:
                watched.append(seen)
    without = statistics.mean(one.tickets_per_second for one in alone)
    with_ = statistics.mean(one.tickets_per_second for one in with_watchers)
    return Findings(
        scenario="watchers",
        figures=[
            at_least(f"import with {WATCHERS} watchers, beside one without", with_ / without, _LEAST_SHARE),
            plain("without watchers", _rates(alone), "tickets/s"),
            plain("with watchers", _rates(with_watchers), "tickets/s"),
            plain("fewest updates a watcher got, a second", min(one.fewest / one.seconds for one in watched)),
            plain(
                "processor time of serve",
                statistics.mean(one.server_cpu_seconds / one.seconds for one in watched) * 1_000,
                "ms a second",
            ),
        ],
        measured={"without": alone, "with": with_watchers, "watched": watched},
    )


def _import(tickets: int, workers: int, crowd: int) -> tuple[ImportFigures, Watched]:
    with TemporaryDirectory() as folder, BenchStack(unlimited(tickets), workers=workers) as stack:
        stack.start_workers()
        key = secrets.token_urlsafe(32)
        with _serving(stack, key, Path(folder)) as (address, server), _watching(address, key, crowd) as ends:
            quiet_down(stack.worker_processes())
            process = psutil.Process(server.pid)
            before, began = sum(process.cpu_times()[:2]), time.monotonic()
            figures = measured_import(stack)
            used = sum(process.cpu_times()[:2]) - before
            took = time.monotonic() - began
            return figures, Watched(seconds=took, fewest=ends(), server_cpu_seconds=used)


@contextmanager
def _serving(stack: BenchStack, key: str, folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    log_path = folder / "serve.log"
    with log_path.open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "ticketstream", "serve", "--port", "0"],
            env=own | stack.environment | {f"{PREFIX}HTTP__API_KEY": key},
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while (
            found := re.search(r"listening at (http://\S+);", log_path.read_text(errors="replace"))
        ) is None:
            if server.poll() is not None or time.monotonic() > deadline:
                raise StackError(f"serve does not start: {log_path.read_text(errors='replace')[-500:]}")
            time.sleep(0.1)
        yield found[1], server
    finally:
        server.terminate()
        server.wait(30)


@contextmanager
def _watching(address: str, key: str, crowd: int) -> Iterator[Callable[[], int]]:
    """Let a crowd watch from a process of its own; yields what ends it and tells what the least lucky got."""
    if not crowd:
        yield lambda: 0
        return
    watchers = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.watching", address, str(crowd)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    asked, told = _pipes(watchers)

    def ends() -> int:
        asked.write(b"end\n")
        asked.flush()
        return int(told.readline())

    try:
        asked.write(key.encode() + b"\n")
        asked.flush()
        if told.readline() != b"connected\n":
            raise StackError("the watchers cannot connect")
        yield ends
    finally:
        watchers.kill()
        watchers.wait()


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    if process.stdin is None or process.stdout is None:
        raise StackError("the watchers have no pipes")
    return process.stdin, process.stdout


def _rates(runs: list[ImportFigures]) -> str:
    return ", ".join(f"{one.tickets_per_second:.1f}" for one in runs)
