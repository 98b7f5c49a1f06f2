"""The partitions a worker has at the moment, for whoever has to ask."""

from __future__ import annotations

from agents.app.part import Part


class OwnedPartitions(Part):
    """Knows the partitions that the worker has."""

    def __init__(self) -> None:
        self._partitions: frozenset[int] = frozenset()

    def now(self) -> frozenset[int]:
        """Return the partitions; none during a rebalance."""
        return self._partitions

    async def take(self, partitions: frozenset[int], gained: frozenset[int]) -> None:
        """Note the partitions."""
        self._partitions = partitions

    async def let_go(self) -> None:
        """Note that there are none."""
        self._partitions = frozenset()
