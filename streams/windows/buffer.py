"""A window that gathers items until it is full or its time is over."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Varying = float | Callable[[], float]
"""A number, or what tells it anew each time."""


def read_varying(value: Varying) -> Callable[[], float]:
    return value if callable(value) else lambda: value


@dataclass(slots=True)
class _Waiting(Generic[Item]):
    item: Item
    weight: float
    closes_at: float


class WindowBuffer(Generic[Item]):
    """Items in their order of arrival, given out window by window.

    A window holds at most ``max_items`` items and ``max_weight`` weight, except that a single item
    heavier than ``max_weight`` is a window of its own. It is due when it can take no further item, or
    ``max_seconds`` after its first item was added. Times are seconds on any one clock.

    Windows are cut when they are taken, not when items are added: while nobody can take one, the
    buffer goes on filling it, so calls are largest when the service is busiest.
    """

    def __init__(self, *, max_items: Varying, max_weight: Varying, max_seconds: float) -> None:
        self._read_max_items = read_varying(max_items)
        self._read_max_weight = read_varying(max_weight)
        if self._max_items < 1 or self._max_weight <= 0 or max_seconds < 0:
            raise ValueError("a window needs max_items >= 1, max_weight > 0 and max_seconds >= 0")
        self._max_seconds = max_seconds
        self._waiting: deque[_Waiting[Item]] = deque()
        self._weight = 0.0
        self._flushed = 0

    @property
    def _max_items(self) -> float:
        return self._read_max_items()

    @property
    def _max_weight(self) -> float:
        return self._read_max_weight()

    def __len__(self) -> int:
        """Return the number of items waiting."""
        return len(self._waiting)

    def add(self, item: Item, weight: float, now: float) -> bool:
        """Add an item; return whether a window is full now."""
        self._waiting.append(_Waiting(item, weight, now + self._max_seconds))
        self._weight += weight
        return self.full

    @property
    def full(self) -> bool:
        """Whether the first window can take no further item."""
        return bool(self._waiting) and (
            len(self._waiting) >= self._max_items or self._weight >= self._max_weight
        )

    def closes_at(self) -> float | None:
        """Return when the first window is due (minus infinity: at once), or None when nothing waits."""
        if not self._waiting:
            return None
        if self._flushed or self.full:
            return float("-inf")
        return self._waiting[0].closes_at

    def flush(self) -> None:
        """Make everything that waits now due at once."""
        self._flushed = len(self._waiting)

    def take(self, now: float) -> list[Item]:
        """Remove and return the first window when it is due, else an empty list."""
        due = self.closes_at()
        if due is None or due > now:
            return []
        window: list[Item] = []
        weight = 0.0
        most_items, most_weight = self._max_items, self._max_weight
        while self._waiting and len(window) < most_items:
            first = self._waiting[0]
            if window and weight + first.weight > most_weight:
                break
            self._waiting.popleft()
            window.append(first.item)
            weight += first.weight
        self._flushed = max(0, self._flushed - len(window))
        self._recount()
        return window

    def discard(self, unwanted: Callable[[Item], bool]) -> int:
        """Remove the waiting items that nobody wants any more; return how many there were."""
        before = len(self._waiting)
        self._flushed = sum(
            not unwanted(entry.item) for n, entry in enumerate(self._waiting) if n < self._flushed
        )
        self._waiting = deque(entry for entry in self._waiting if not unwanted(entry.item))
        self._recount()
        return before - len(self._waiting)

    def _recount(self) -> None:
        # Summed anew: adding and subtracting floats for days would drift.
        self._weight = sum(entry.weight for entry in self._waiting)
