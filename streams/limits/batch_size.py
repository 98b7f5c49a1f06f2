"""How many items a call takes, fitted to what calls cost."""

from __future__ import annotations

from typing import Final

_MINUTE: Final = 60.0


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
