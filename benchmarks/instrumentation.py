"""What all metrics cost: workers that are scraped, beside workers whose metrics do nothing."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

import httpx

from benchmarks.figures import Findings, at_most, plain
from benchmarks.pipeline import ImportFigures, measured_import
from benchmarks.stack import BenchStack, unlimited
from benchmarks.usage import quiet_down
from schemas.errors import StackError
from ticketstream.stack.ports import FIRST, LAST, is_free

_PAIRS: Final = 3
_SCRAPE_SECONDS: Final = 5.0
_MOST: Final = 5.0
_SILENT: Final = "benchmarks.silent"

Note = Callable[[str], None]


def run(*, tickets: int, workers: int, note: Note) -> Findings:
    """Import the account with and without instrumentation, turn by turn, each on a fresh stack."""
    found: dict[bool, list[ImportFigures]] = {True: [], False: []}
    for number in range(_PAIRS):
        # Each is first in turn: whatever drifts hits both.
        for measured in (True, False) if number % 2 == 0 else (False, True):
            how = "with" if measured else "without"
            note(f"pipeline {how} metrics, {tickets:,} tickets, {workers} workers")
            found[measured].append(_round(measured, tickets, workers))
    rates = {how: [one.tickets_per_second for one in rounds] for how, rounds in found.items()}
    # Processor time tells what noise of the machine hides in the rate.
    cpu = {how: [_cpu(one) for one in rounds] for how, rounds in found.items()}
    with_, without = (statistics.median(rates[how]) for how in (True, False))
    more = statistics.median(cpu[True]) / statistics.median(cpu[False]) - 1
    return Findings(
        scenario="instrumentation",
        figures=[
            plain("with metrics, scraped every 5 s", with_, "tickets/s"),
            plain("  each round", _listed(rates[True]), "tickets/s"),
            plain("without", without, "tickets/s"),
            plain("  each round", _listed(rates[False]), "tickets/s"),
            at_most("throughput that metrics cost", 100 * (1 - with_ / without), _MOST, "%"),
            plain("more processor time of the workers", 100 * more, "%"),
        ],
        measured={"with": found[True], "without": found[False]},
    )


def _round(measured: bool, tickets: int, workers: int) -> ImportFigures:
    port = _free_ports(workers)
    overrides = {"METRICS_PORT": str(port)} if measured else {}
    with BenchStack(unlimited(tickets), workers=workers, overrides=overrides) as stack:
        stack.start_workers(None if measured else _SILENT)
        quiet_down(stack.worker_processes())
        with _scraped(port, workers if measured else 0):
            return measured_import(stack)


def _free_ports(count: int) -> int:
    """Return the first of so many free ports in a row."""
    return next(
        port
        for port in range(LAST - count, FIRST, -count)
        if all(is_free(port + number) for number in range(count))
    )


@contextmanager
def _scraped(port: int, workers: int) -> Iterator[None]:
    """Read each worker's metrics as often as Prometheus does; raises StackError when none answered."""
    ended = threading.Event()
    read = 0

    def scrape() -> None:
        nonlocal read
        with httpx.Client(trust_env=False, timeout=5) as client:
            while True:
                for number in range(workers):
                    with suppress(httpx.HTTPError):
                        text = client.get(f"http://127.0.0.1:{port + number}/metrics").text
                        read += "ticketstream_stage_sent_total" in text
                if ended.wait(_SCRAPE_SECONDS):
                    return

    thread = threading.Thread(target=scrape, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    if workers and not read:
        raise StackError("the workers did not show their metrics")


def _cpu(figures: ImportFigures) -> float:
    return sum(use.cpu_seconds for name, use in figures.use.items() if name.startswith("worker"))


def _listed(rates: list[float]) -> str:
    return ", ".join(f"{rate:.0f}" for rate in rates)
