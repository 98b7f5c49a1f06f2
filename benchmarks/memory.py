"""Memory of the workers: a large import beside a small one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from benchmarks.figures import Findings, at_most, plain
from benchmarks.pipeline import ImportFigures, measured_import
from benchmarks.stack import BenchStack, unlimited

_TIMES: Final = 5
_MOST_GROWTH: Final = 20.0

Note = Callable[[str], None]


def run(*, tickets: int, workers: int, note: Note) -> Findings:
    """Import an account of ``tickets`` and one five times as large, each with fresh workers."""
    found: list[ImportFigures] = []
    for size in (tickets, tickets * _TIMES):
        note(f"pipeline, {size:,} tickets, {workers} workers")
        with BenchStack(unlimited(size), workers=workers) as stack:
            stack.start_workers()
            found.append(measured_import(stack))
    small, large = (_memory(one) for one in found)
    figures = []
    for name in small:
        figures += [
            plain(f"{name}, peak at {tickets:,} tickets", small[name][0], "MB"),
            plain(f"{name}, peak at {tickets * _TIMES:,} tickets", large[name][0], "MB"),
            plain(f"{name}, afterwards at {tickets:,} tickets", small[name][1], "MB"),
            plain(f"{name}, afterwards at {tickets * _TIMES:,} tickets", large[name][1], "MB"),
            at_most(f"{name}, growth of the peak", large[name][0] - small[name][0], _MOST_GROWTH, "MB"),
        ]
    figures.append(plain(f"rate at {tickets * _TIMES:,} tickets", found[1].tickets_per_second, "tickets/s"))
    return Findings(scenario="memory", figures=figures, measured={"imports": found})


def _memory(figures: ImportFigures) -> dict[str, tuple[float, float]]:
    return {
        name: (use.memory_peak, use.memory_after)
        for name, use in figures.use.items()
        if name.startswith("worker")
    }
