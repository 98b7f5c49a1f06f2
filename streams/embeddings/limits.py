"""What the batcher asks of whoever bounds its calls: the rate limits, and the day's budget."""

from __future__ import annotations

from typing import Protocol

from schemas.lanes import Lane


class Limit(Protocol):
    """A rate limit that every attempt draws from."""

    @property
    def share(self) -> float:
        """What may be taken in a minute."""

    @property
    def waiting(self) -> int:
        """Calls that wait."""

    async def acquire(self, amount: float = 1, *, lane: Lane = "live") -> float:
        """Wait until the amount is free and take it; return the seconds waited."""

    def answered(self, beside: int = 0) -> None:
        """Note that the service took a call, while so many others were under way."""

    def refused(self, wait: float | None) -> None:
        """Note that the service wants no calls for so long (None: it named no time)."""

    def pause(self, seconds: float) -> None:
        """Give out nothing for so long."""


class Budget(Protocol):
    """What may be spent in a day; a call is put down to it before it is made."""

    async def acquire(self, requests: float, tokens: float, *, lane: Lane, divisible: bool) -> float:
        """Wait until the day's caps hold the call, put it down, and return the seconds waited.

        Raises TooMuchAtOnceError for a ``divisible`` call that should be made in parts.
        """
