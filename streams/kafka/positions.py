"""How far a worker is in each partition of each topic: written by whoever moves on, read by all."""

from __future__ import annotations

from typing import Final

Place = tuple[str, int]
"""A topic and the number of a partition."""


class Positions:
    """The offsets of one worker, by topic and partition; nothing is there of what it has not touched.

    ``sent``: after the last record the worker has sent there. ``arrived``: of the last message taken in.
    ``oldest``: of the first message that is taken in and not acknowledged. ``released``: after the last
    message that is acknowledged with all before it. ``passed``: how many messages behind that one have had
    their effects already.
    """

    def __init__(self) -> None:
        self.sent: Final[dict[Place, int]] = {}
        self.arrived: Final[dict[Place, int]] = {}
        self.oldest: Final[dict[Place, int]] = {}
        self.released: Final[dict[Place, int]] = {}
        self.passed: Final[dict[Place, int]] = {}

    def note_sent(self, place: Place, offset: int) -> None:
        """Note that the record at this offset is on the broker; answers may come in any order."""
        self.sent[place] = max(offset + 1, self.sent.get(place, 0))

    def is_next(self, place: Place, offset: int) -> bool:
        """Say whether all messages before this one that were taken in have been acknowledged."""
        return self.oldest.get(place, offset) >= offset

    def on_the_way(self, topic: str) -> int:
        """Return how many messages it has sent to a topic that it reads whose effects are still to come."""
        return sum(
            max(0, self.sent.get(place, 0) - released - self.passed.get(place, 0))
            for place, released in self.released.items()
            if place[0] == topic
        )

    def forget_arrivals(self, place: Place) -> None:
        """Forget what was taken in: the partition has gone, and may come back further on."""
        for offsets in (self.arrived, self.oldest, self.released, self.passed):
            offsets.pop(place, None)
