"""What all metrics cost: workers that are scraped, beside workers whose metrics do nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

import httpx

from benchmarks.figures import Findings
from benchmarks.pipeline import ImportFigures, measured_import
from benchmarks.stack import BenchStack, unlimited
from benchmarks.turns import cost, rates, turn_by_turn
from benchmarks.usage import quiet_down
from schemas.errors import StackError
from ticketstream.local.stack.ports import free_ports

_SCRAPE_SECONDS: Final = 5.0
_MEASURED: Final = "with metrics, scraped every 5 s"
_UNMEASURED: Final = "without metrics"
_MOST: Final = 5.0
_SILENT: Final = "benchmarks.silent"

Note = Callable[[str], None]


def run(*, tickets: int, workers: int, note: Note) -> Findings:
    """Import the account with and without instrumentation, turn by turn."""

    def import_once(way: str) -> ImportFigures:
        note(f"pipeline, {way}, {tickets:,} tickets, {workers} workers")
        return _round(way == _MEASURED, tickets, workers)

    found = turn_by_turn([_MEASURED, _UNMEASURED], import_once)
    return Findings(
        scenario="instrumentation",
        figures=[
            *rates(found, _MEASURED),
            *rates(found, _UNMEASURED),
            *cost(found, _MEASURED, _UNMEASURED, most=_MOST),
        ],
        measured={**found},
    )


def _round(measured: bool, tickets: int, workers: int) -> ImportFigures:
    port = free_ports(workers)[0]
    overrides = {"METRICS_PORT": str(port)} if measured else {}
    with BenchStack(unlimited(tickets), workers=workers, overrides=overrides) as stack:
        stack.start_workers(None if measured else _SILENT)
        quiet_down(stack.worker_processes())
        with _scraped(port, workers if measured else 0):
            return measured_import(stack)


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
