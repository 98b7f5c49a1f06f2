"""Imports with more and more workers, on few and on many partitions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from benchmarks.figures import Chart, Figure, Findings, Series, plain
from benchmarks.pipeline import ImportFigures, measured_import
from benchmarks.stack import BenchStack, unlimited
from benchmarks.usage import quiet_down

PARTITIONS: Final = (4, 16)
_TIMES: Final = (0.5, 1, 2, 4)
"""Of the workers asked for: 1, 2, 4 and 8 by default."""

Note = Callable[[str], None]


def run(*, tickets: int, workers: int, note: Note) -> Findings:
    """Import a fresh account for each number of workers and partitions."""
    found: dict[int, dict[int, ImportFigures]] = {count: {} for count in PARTITIONS}
    counts = sorted({max(1, round(workers * times)) for times in _TIMES})
    for partitions in PARTITIONS:
        for count in counts:
            note(f"pipeline, {tickets:,} tickets, {_named(count)}, {partitions} partitions")
            found[partitions][count] = _import(tickets, count, partitions)
    figures: list[Figure] = []
    for partitions, by_workers in found.items():
        for count, one in by_workers.items():
            cpu = sum(use.cpu_seconds for name, use in one.use.items() if name.startswith("worker"))
            figures += [
                plain(f"{_named(count)}, {partitions} partitions", one.tickets_per_second, "tickets/s"),
                plain("  processor time of the workers", 1000 * cpu / one.tickets, "ms a ticket"),
            ]
    chart = Chart(
        title=f"Import of {tickets:,} tickets, quotas off; the services share the cores",
        unit="tickets/s",
        kind="lines",
        x="workers",
        series=[
            Series(
                name=f"{partitions} partitions",
                at=list(map(float, by_workers)),
                values=[one.tickets_per_second for one in by_workers.values()],
            )
            for partitions, by_workers in found.items()
        ],
    )
    return Findings(scenario="scaling", figures=figures, measured={"imports": found}, charts=[chart])


def _named(workers: int) -> str:
    return "1 worker" if workers == 1 else f"{workers} workers"


def _import(tickets: int, workers: int, partitions: int) -> ImportFigures:
    overrides = {"KAFKA__PARTITIONS": str(partitions)}
    with BenchStack(unlimited(tickets), workers=workers, overrides=overrides) as stack:
        stack.start_workers()
        quiet_down(stack.worker_processes())
        return measured_import(stack)
