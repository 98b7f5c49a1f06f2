"""How old the oldest message of a partition is that nobody has taken in yet. Arithmetic only.

A message that was read has a timestamp. One that still lies on its topic was put there before the first look
that found the topic's end behind it, so the time of that look stands for the message's.
"""

from __future__ import annotations

from collections import deque
from typing import Final

_MOST_LOOKS: Final = 2_000


class Ages:
    """The looks at one partition's end that lie behind what is acknowledged."""

    def __init__(self) -> None:
        self._looks: deque[tuple[int, float]] = deque()

    def look(self, acknowledged: int, end: int, now: float) -> None:
        """Note where a partition ends, and up to where it is acknowledged."""
        last = self._looks[-1][0] if self._looks else acknowledged
        if end > last:
            if len(self._looks) == _MOST_LOOKS:
                # The oldest look is the one that tells the age; the newest ones may be coarse.
                self._looks.pop()
            self._looks.append((end, now))
        while self._looks and self._looks[0][0] <= acknowledged:
            self._looks.popleft()

    def age(self, now: float) -> float:
        """Return the seconds since the first look that found what is not acknowledged; 0 for nothing."""
        return max(0.0, now - self._looks[0][1]) if self._looks else 0.0
