"""A large import: memory of the workers over time, and every ticket compared with the account.

Once with Gemini, as in production, and once with the local model, which lies in the workers' memory.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from benchmarks.compare import compare
from benchmarks.figures import Chart, Figure, Findings, Series, at_most, plain
from benchmarks.pipeline import measured_import
from benchmarks.stack import BenchStack, unlimited
from benchmarks.usage import quiet_down

_WORKER_MB: Final = 250.0
_GROWTH_MB: Final = 15.0
_PROVIDERS: Final[Mapping[str, Mapping[str, str]]] = {
    "Gemini": {
        "EMBEDDING__PROVIDER": "gemini",
        "EMBEDDING__REQUESTS_PER_MINUTE": "1000000",
        "EMBEDDING__TOKENS_PER_MINUTE": "10000000000",
    },
    "local model": {"EMBEDDING__PROVIDER": "local"},
}
_POINTS: Final = 300
"""Most points of a line in the plot."""

Note = Callable[[str], None]


def run(*, tickets: int, workers: int, note: Note) -> list[Findings]:
    """Import the account with each provider, quotas off, and compare all of it."""
    return [_with(provider, tickets, workers, note) for provider in _PROVIDERS]


def _with(provider: str, tickets: int, workers: int, note: Note) -> Findings:
    with BenchStack(unlimited(tickets), workers=workers, overrides=_PROVIDERS[provider]) as stack:
        stack.start_workers()
        quiet_down(stack.worker_processes())
        note(f"pipeline, {provider}, {tickets:,} tickets, {workers} workers")
        imported = measured_import(stack)
        note(f"{imported.tickets:,} tickets are compared with {imported.objects:,} objects")
        compared = asyncio.run(compare(stack))
    figures: list[Figure] = [
        plain("tickets", compared.tickets),
        plain("objects in Weaviate", compared.objects),
        plain("rate", imported.tickets_per_second, "tickets/s"),
        at_most("chunks lost", compared.lost, 0),
        at_most("objects doubled", compared.doubled, 0),
        at_most("chunks with another text", compared.wrong, 0),
        at_most("objects of no ticket", compared.orphaned, 0),
        at_most("dead letters", imported.failed, 0),
    ]
    for name, memory in imported.memory.items():
        figures += [
            at_most(f"{name}, peak of its memory", max(memory), _WORKER_MB, "MB"),
            at_most("  growth from the second to the last quarter", _growth(memory), _GROWTH_MB, "MB"),
        ]
    chart = Chart(
        title=f"Memory of the workers, import of {tickets:,} tickets, {provider}",
        unit="MB",
        kind="lines",
        x="seconds",
        goal=_WORKER_MB,
        series=[_line(name, memory) for name, memory in imported.memory.items()],
    )
    return Findings(
        scenario=provider,
        figures=figures,
        measured={"import": imported, "compared": compared},
        charts=[chart],
    )


def _growth(memory: Sequence[float]) -> float:
    """Return how much more the last quarter has than the second, by their medians (MB)."""
    quarter = max(1, len(memory) // 4)
    return statistics.median(memory[-quarter:]) - statistics.median(memory[quarter : 2 * quarter] or memory)


def _line(name: str, memory: Sequence[float]) -> Series:
    step = -(-len(memory) // _POINTS)
    return Series(
        name=name, at=[float(at) for at in range(0, len(memory), step)], values=list(memory[::step])
    )
