"""An import while nobody watches it over the HTTP API, and while hundreds do."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Final

import msgspec

from benchmarks.figures import Findings, at_least, bars, plain
from benchmarks.pipeline import ImportFigures, measured_import
from benchmarks.serving import serving
from benchmarks.stack import BenchStack, unlimited
from benchmarks.usage import quiet_down
from schemas.errors import StackError

WATCHERS: Final = 200
_ROUNDS: Final = 2
_LEAST_SHARE: Final = 0.95

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
        charts=[
            bars(
                f"Import of {tickets:,} tickets",
                "tickets/s",
                {"nobody watches": without, f"{WATCHERS} watchers": with_},
            )
        ],
        measured={"without": alone, "with": with_watchers, "watched": watched},
    )


def _import(tickets: int, workers: int, crowd: int) -> tuple[ImportFigures, Watched]:
    with BenchStack(unlimited(tickets), workers=workers) as stack:
        stack.start_workers()
        with serving(stack) as server, _watching(server.address, server.key, crowd) as ends:
            quiet_down(stack.worker_processes())
            process = server.process
            before, began = sum(process.cpu_times()[:2]), time.monotonic()
            figures = measured_import(stack)
            used = sum(process.cpu_times()[:2]) - before
            took = time.monotonic() - began
            return figures, Watched(seconds=took, fewest=ends(), server_cpu_seconds=used)


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
