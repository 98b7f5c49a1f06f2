"""How much of a quota was used lately: what was used long ago counts less and less."""

from __future__ import annotations

import math
from typing import Final

_SECONDS: Final = 5.0


class RecentUse:
    """A sum in which each amount fades by a factor of e in five seconds."""

    def __init__(self) -> None:
        self._sum = 0.0
        self._at = -math.inf

    def add(self, amount: float, now: float) -> None:
        """Note that an amount was used now."""
        self._sum = amount + self._faded(now)
        self._at = now

    def per_second(self, now: float) -> float:
        """Return about how much was used a second lately."""
        return self._faded(now) / _SECONDS

    def _faded(self, now: float) -> float:
        return self._sum * math.exp((self._at - now) / _SECONDS)
