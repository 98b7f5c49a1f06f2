"""A worker's share of a daily cap: the partitions it owns, pooled. Arithmetic only: no clock, no I/O."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from schemas.lanes import Lane

LIVE_RESERVE: Final = 0.1
"""The part of a cap that a backfill leaves to live changes."""
_TOLERANCE: Final = 1e-9
_WORTH_SPLITTING: Final = 0.25
"""A call that is too large for what is left is split when at least so much of it could still be sent."""


class TooMuchAtOnceError(Exception):
    """What is left of the day's cap does not hold the call, but a good part of it."""


class DailyShare:
    """What may still be spent today of ``cap`` (requests, tokens) by whoever owns some of ``partitions``.

    Each partition holds ``cap / partitions``; the owner pools the shares of its partitions, so that a
    busy one uses what a quiet one leaves. As an amount is put down to partitions before it is spent,
    and what a partition has spent goes along with it to its next owner, the sum over all workers never
    exceeds the cap, however partitions move. A backfill stops at ``1 - reserve`` of the pool, and of each
    partition's share.
    """

    def __init__(self, cap: float, partitions: int, *, reserve: float = LIVE_RESERVE) -> None:
        if cap <= 0 or partitions < 1 or not 0 <= reserve < 1:
            raise ValueError("a daily cap needs cap > 0, partitions >= 1 and 0 <= reserve < 1")
        self._share = cap / partitions
        self._reserve = reserve
        self._spent: dict[int, float] = {}

    @property
    def spent(self) -> float:
        """What the owned partitions have spent."""
        return sum(self._spent.values())

    def own(self, spent: Mapping[int, float]) -> None:
        """Hold the shares of these partitions from now on, with what each has spent today."""
        self._spent = dict(spent)

    def spent_by(self, partition: int) -> float:
        """Return what an owned partition has spent."""
        return self._spent[partition]

    def new_day(self) -> None:
        """Begin at nothing spent."""
        self._spent = dict.fromkeys(self._spent, 0.0)

    def most(self, lane: Lane) -> float:
        """Return how much a lane may spend on a day on which nothing else is spent."""
        pool = self._share * len(self._spent)
        return pool if lane == "live" else pool * (1 - self._reserve)

    def left(self, lane: Lane) -> float:
        """Return how much a lane may still spend today."""
        return max(0.0, self.most(lane) - self.spent)

    def holds(self, amount: float, lane: Lane) -> bool:
        """Say whether a lane may still spend the amount today."""
        return amount <= self.left(lane) + _TOLERANCE * max(amount, 1.0)

    def worth_splitting(self, amount: float, lane: Lane) -> bool:
        """Say whether a call of this amount should be split: a good part fits, or all of it never will."""
        if self.holds(amount, lane):
            return False
        return self.left(lane) >= amount * _WORTH_SPLITTING or amount > self.most(lane)

    def charges(self, amount: float) -> dict[int, float]:
        """Return what each partition is to pay of an amount, so that all have spent alike as far as may be.

        Were they filled one by one, those that part from here full would bring their next owner no reserve.
        """
        levels = sorted(self._spent.values())
        level, rest = levels[0] if levels else 0.0, amount
        for count, following in enumerate([*levels[1:], math.inf], start=1):
            step = min(following - level, rest / count)
            level += step
            rest -= step * count
            if rest <= _TOLERANCE * max(amount, 1.0):
                break
        return {partition: level - spent for partition, spent in self._spent.items() if spent < level}

    def pay(self, charges: Mapping[int, float]) -> None:
        """Put amounts down to partitions; one that is not owned any more is left out."""
        for partition, amount in charges.items():
            if partition in self._spent:
                self._spent[partition] += amount
