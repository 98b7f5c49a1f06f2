"""A token bucket as plain arithmetic: it is told the time, and never waits or reads a clock."""

from __future__ import annotations

import math
from typing import Final

_TOLERANCE: Final = 1e-9
"""Share of an amount that rounding may lack after a wait of exactly the right length."""


class TokenBucket:
    """Tokens that grow at ``rate`` a second up to ``burst``; whoever passes takes some.

    An amount larger than ``burst`` is saved up for: while somebody waits for it (``ceiling``), the
    bucket may grow that far. In any time T the amounts that pass sum up to less than
    ``rate * T + max(burst, largest amount)``.
    """

    __slots__ = ("_refilled_at", "burst", "rate", "tokens")

    def __init__(self, *, rate: float, burst: float, now: float, tokens: float = 0.0) -> None:
        self.rate = rate
        self.burst = burst
        self.tokens = min(tokens, burst)
        self._refilled_at = now

    def refill(self, now: float, ceiling: float = 0.0) -> None:
        """Add what has grown since the last refill, up to the larger of ``burst`` and ``ceiling``."""
        grown = max(now - self._refilled_at, 0.0) * self.rate
        self.tokens = min(self.tokens + grown, max(self.burst, ceiling))
        self._refilled_at = max(now, self._refilled_at)

    def delay(self, amount: float) -> float:
        """Return the seconds until ``amount`` may pass: 0 for at once, ``inf`` for never at this rate.

        Counts from the last refill.
        """
        missing = amount - self.tokens
        if missing <= _TOLERANCE * max(amount, 1.0):
            return 0.0
        return missing / self.rate if self.rate > 0 else math.inf

    def take(self, amount: float) -> None:
        """Let ``amount`` pass."""
        self.tokens -= amount

    def change(self, *, rate: float, burst: float, now: float, ceiling: float = 0.0) -> None:
        """Go on with another rate and burst; what grew until now grew at the old ones."""
        self.refill(now, ceiling)
        self.rate = rate
        self.burst = burst
        self.tokens = min(self.tokens, max(burst, ceiling))
