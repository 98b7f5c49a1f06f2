"""Imports with something and without it, turn by turn, and what it costs."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from benchmarks.figures import Figure, at_most, plain
from benchmarks.pipeline import ImportFigures

_PAIRS: Final = 3
_MOST: Final = 5.0

Found = Mapping[bool, Sequence[ImportFigures]]


def turn_by_turn(import_once: Callable[[bool], ImportFigures]) -> Found:
    """Import with (True) and without, three times each; ``import_once`` has a fresh stack every time."""
    found: dict[bool, list[ImportFigures]] = {True: [], False: []}
    for number in range(_PAIRS):
        # Each is first in turn: whatever drifts hits both.
        for with_ in (True, False) if number % 2 == 0 else (False, True):
            found[with_].append(import_once(with_))
    return found


def cost(found: Found, name: str, how: str) -> list[Figure]:
    """Return the rates and what ``name`` costs of them, at most 5 %; ``how`` says how it was used."""
    rates = {with_: [one.tickets_per_second for one in rounds] for with_, rounds in found.items()}
    # Processor time tells what noise of the machine hides in the rate.
    cpu = {with_: statistics.median(map(_cpu, rounds)) for with_, rounds in found.items()}
    with_, without = (statistics.median(rates[each]) for each in (True, False))
    return [
        plain(f"with {name}, {how}", with_, "tickets/s"),
        plain("  each round", _listed(rates[True]), "tickets/s"),
        plain("without", without, "tickets/s"),
        plain("  each round", _listed(rates[False]), "tickets/s"),
        at_most(f"throughput that {name} cost", 100 * (1 - with_ / without), _MOST, "%"),
        plain("more processor time of the workers", 100 * (cpu[True] / cpu[False] - 1), "%"),
    ]


def _cpu(figures: ImportFigures) -> float:
    return sum(use.cpu_seconds for name, use in figures.use.items() if name.startswith("worker"))


def _listed(rates: Sequence[float]) -> str:
    return ", ".join(f"{rate:.0f}" for rate in rates)
