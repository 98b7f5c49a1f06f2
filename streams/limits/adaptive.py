"""Sizes that fit themselves: additive increase, multiplicative decrease (AIMD). No clock, no I/O.

``Adaptive`` is how much may be under way at a service at once, ``BatchSize`` how much goes into one call, and
``Pace`` the part of the quota in the settings that the service really gives.
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

_LEAST_PART: Final = 0.02
_LEAST_LEFT: Final = 0.5
_MOST_LEFT: Final = 0.98
_LEFT_UNTOLD: Final = 0.8
_MINUTE: Final = 60.0
_FIRST_STEP: Final = 0.00005
_STEP_DOUBLES_AFTER: Final = 100
_LARGEST_STEP: Final = 0.003


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


class BatchSize:
    """The most items of a call: half of it after a call that was too much, and slowly more again.

    ``most`` is what the service allows at best.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = float(most)

    @property
    def size(self) -> int:
        """The most items of the next call."""
        return int(self._size)

    def fitting(self, per_minute: float) -> int:
        """Return the most items where the quota counts items, ``per_minute`` of them: a second's worth.

        Fuller calls save nothing then. They are late, as their quota is saved up for first, and what is left
        of a service's minute may be too little for them, and is wasted.
        """
        return max(1, min(self.size, int(per_minute / _MINUTE)))

    def ended(self, items: int) -> None:
        """Note that a call with so many items was answered."""
        if items >= self.size:
            self._size = min(self._size + self._most / 20, self._most)

    def failed(self, items: int) -> None:
        """Note that a call was not answered, or the service failed over it."""
        self._size = max(1.0, min(self._size, items) / 2)


class Pace:
    """``part``: how much of the quota in the settings the service really gives, above 0, at most 1.

    The account may allow less, or somebody else may use it too. A refusal that names a time to wait tells
    how far off the pace was: limits count whole minutes, so the minute's calls were gone so long before
    its end. Each answered call adds a little, more and more of it the longer nothing is refused: at
    the true limit about one call in 250 is refused, and half of a quota that is free again is in use
    some 700 calls later.
    """

    def __init__(self) -> None:
        self.part = 1.0
        self._answered = 0.0

    def answered(self, beside: int = 0) -> None:
        """Note an answered call, ``beside`` which others are under way that would be refused together."""
        weight = 1 / (1 + beside)
        self._answered += weight
        if self.part < 1.0:
            step = _FIRST_STEP * 2 ** (self._answered // _STEP_DOUBLES_AFTER)
            self.part = min(1.0, self.part + weight * min(step, _LARGEST_STEP))

    def refused(self, wait: float | None, used: float = 1.0) -> None:
        """Note that the quota is used up, ``wait`` seconds before it starts anew (None: untold).

        ``used`` is the part of it that was used when that came, which may be less than the pace allowed; less
        than half of it tells of something else.
        What was refused together counts once: until a call is answered, further refusals tell nothing new.
        """
        if not self._answered:
            return
        self._answered = 0.0
        left = _LEFT_UNTOLD if wait is None else 1 - wait / _MINUTE
        self.part = max(
            _LEAST_PART, min(self.part, max(used, _LEAST_LEFT)) * min(max(left, _LEAST_LEFT), _MOST_LEFT)
        )
