"""Requests and tokens a minute, in fixed minutes of a clock that can run faster."""

from __future__ import annotations

from typing import Literal

import msgspec

from ticketstream.local.sample.gemini.messages import Limits


class Exceeded(msgspec.Struct, frozen=True):
    """A quota that is used up: which, its size, and the seconds until the next minute begins."""

    what: Literal["requests", "input_token_count"]
    limit: int
    retry_after: float


class MinuteQuota:
    """What is left of the running minute. Times are seconds on any one clock.

    The first minute begins with the first call. A refused call uses up nothing.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._began: float | None = None
        self._requests = 0
        self._tokens = 0

    def take(self, texts: int, tokens: int, now: float) -> Exceeded | None:
        """Take a call's requests and tokens, or return the quota that does not hold them."""
        minute = 60.0 / self.limits.time_scale
        if self._began is None:
            self._began = now
        if now - self._began >= minute:
            self._began += (now - self._began) // minute * minute
            self._requests = self._tokens = 0
        left = self._began + minute - now
        requests = texts if self.limits.quota_unit == "text" else 1
        most = self.limits.requests_per_minute
        if most is not None and self._requests + requests > most:
            return Exceeded("requests", most, left)
        most = self.limits.tokens_per_minute
        if most is not None and self._tokens + tokens > most:
            return Exceeded("input_token_count", most, left)
        self._requests += requests
        self._tokens += tokens
        return None
