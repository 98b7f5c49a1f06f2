"""How much may be under way at a service at once: additive increase, multiplicative decrease (AIMD).

No clock, no I/O.
"""

from __future__ import annotations

import math
from typing import Final

_BACK_OFF: Final = 0.7
_STEP: Final = 4
_DOUBLES_UP_TO: Final = 64
"""More is rarely needed, and what is in flight is done again after a crash."""
_LONGEST_ROUND: Final = 32
_TESTED_FROM: Final = 16
"""Of smaller sizes a round is too short to tell a rate from."""
_TEST_GROWTH: Final = 1.5
_WORTH: Final = 1.15
"""How much faster it must go with half as much again under way, or that was for nothing."""
_HOLD_ROUNDS: Final = 8


class Adaptive:
    """How much may be under way at once; ``size`` fits itself to how long answers take and what is refused.

    While there is more to do and no quota to wait for, it doubles each round (as many endings as are under
    way, at most 32) up to 64; from there, and after the first refusal, it grows by 4. A refusal takes 30 %
    off it, once for all that was under way. Growth by half that does not make it go faster is taken back, and
    tried again some rounds later: then the service, or this machine, is what takes the time. While more than
    half of what is under way waits for quota, it shrinks.
    """

    def __init__(self, start: int, *, least: int, most: int) -> None:
        if not 1 <= least <= start <= most:
            raise ValueError("a size needs 1 <= least <= start <= most")
        self._size = float(start)
        self._least = least
        self._most = most
        self._doubles = True
        self._deaf = 0
        self._hold = 0
        self._tested: tuple[float, float] | None = None
        self._began = -math.inf
        self._ended = self._wanted = 0
        self._waiting = math.inf

    @property
    def size(self) -> int:
        """How much may be under way now."""
        return int(self._size)

    def ended(self, now: float, *, wanted: bool, waiting: int | None) -> None:
        """Note that something ended well, at a time in seconds of any clock.

        ``wanted`` says whether more would begin if it might, ``waiting`` how much of what is under way waits
        for quota; None when something else holds it back, so that its pace tells nothing.
        """
        self._deaf = max(0, self._deaf - 1)
        self._ended += 1
        self._wanted += wanted and waiting is not None
        self._waiting = min(self._waiting, math.inf if waiting is None else waiting)
        if self._ended >= min(self.size, _LONGEST_ROUND):
            seconds = now - self._began
            rate = self._ended / seconds if seconds > 0 else math.inf
            self._change(rate)
            self._new_round(now)

    def refused(self) -> None:
        """Note that the service has had too much: it refused, failed, or did not answer."""
        if self._deaf:
            self._deaf -= 1
            return
        self._resize(self._size * _BACK_OFF)
        self._deaf = self.size
        self._doubles = False
        self._tested = None

    def _new_round(self, now: float) -> None:
        self._began = now
        self._ended = self._wanted = 0
        self._waiting = math.inf

    def _change(self, rate: float) -> None:
        if self._wanted * 2 <= self._ended:
            return
        if self._waiting > 0:
            if self._waiting * 2 > self._size:
                self._resize(self._size - max(1.0, self._size / 8))
            self._tested = None
            return
        if self._hold:
            self._hold -= 1
            return
        if self._size >= _TESTED_FROM:
            if self._tested is None:
                self._tested = (self._size, rate)
            before, slower = self._tested
            if self._size >= before * _TEST_GROWTH:
                if rate < slower * _WORTH:
                    self._resize(before)
                    self._hold = _HOLD_ROUNDS
                    self._doubles = False
                    self._tested = None
                    return
                self._tested = (self._size, rate)
        doubled = min(self._size * 2, _DOUBLES_UP_TO) if self._doubles else 0.0
        self._resize(max(doubled, self._size + _STEP))

    def _resize(self, size: float) -> None:
        self._size = min(max(size, self._least), self._most)
