"""Imports in several ways, turn by turn, and what one way costs beside another."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from benchmarks.figures import Figure, at_most, plain
from benchmarks.pipeline import ImportFigures

_IMPORTS: Final = 6
"""In all: more of each would take the machine for too long."""

Found = Mapping[str, Sequence[ImportFigures]]


def turn_by_turn(ways: Sequence[str], import_once: Callable[[str], ImportFigures]) -> Found:
    """Import in each way in turn, six times in all; ``import_once`` has a fresh stack every time."""
    found: dict[str, list[ImportFigures]] = {way: [] for way in ways}
    for turn in range(_IMPORTS // len(ways)):
        # Each is first in turn: whatever drifts hits all.
        for place in range(len(ways)):
            way = ways[(turn + place) % len(ways)]
            found[way].append(import_once(way))
    return found


def rates(found: Found, way: str) -> list[Figure]:
    """Return how fast the imports of a way were."""
    each = _rates(found, way)
    return [
        plain(way, statistics.median(each), "tickets/s"),
        plain("  each round", ", ".join(f"{rate:.0f}" for rate in each), "tickets/s"),
    ]


def cost(found: Found, way: str, without: str, *, most: float | None = None) -> list[Figure]:
    """Return what a way costs beside another, in per cent; ``most`` is the goal for its throughput."""
    lost = 100 * (1 - statistics.median(_rates(found, way)) / statistics.median(_rates(found, without)))
    name = f"throughput that it costs, {way}"
    # Processor time tells what noise of the machine hides in the rate.
    more = 100 * (_cpu(found, way) / _cpu(found, without) - 1)
    return [
        plain(name, lost, "%") if most is None else at_most(name, lost, most, "%"),
        plain(f"more processor time of the workers, {way}", more, "%"),
    ]


def _rates(found: Found, way: str) -> list[float]:
    return [one.tickets_per_second for one in found[way]]


def _cpu(found: Found, way: str) -> float:
    return statistics.median(map(_of_workers, found[way]))


def _of_workers(figures: ImportFigures) -> float:
    return sum(use.cpu_seconds for name, use in figures.use.items() if name.startswith("worker"))
