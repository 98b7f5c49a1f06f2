"""How fast calls go out, fitted to what is left of a quota."""

from __future__ import annotations

from typing import Final

_LEAST_PART: Final = 0.02
_LEAST_LEFT: Final = 0.5
_MOST_LEFT: Final = 0.98
_LEFT_UNTOLD: Final = 0.8
_FIRST_STEP: Final = 0.00005
_STEP_DOUBLES_AFTER: Final = 100
_LARGEST_STEP: Final = 0.003
_MINUTE: Final = 60.0


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
