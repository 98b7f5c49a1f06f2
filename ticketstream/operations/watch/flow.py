"""What came onto a topic and what of it was worked off, from offsets looked at now and then."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final

RATE_SECONDS: Final = 10.0
_LEAST_SECONDS: Final = 2.0
"""A rate over less than this says little: offsets are committed twice a second."""
_MOST_MOMENTS: Final = 1_000


class Ends:
    """When a partition's end stood where: tells when a message was put on it."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._ends: list[int] = []

    def add(self, at: float, end: int) -> None:
        """Note the offset after the last message at a moment (Unix seconds), later than all before."""
        if len(self._ends) >= 2 and end == self._ends[-1] == self._ends[-2]:
            self._times[-1] = at
            return
        self._times.append(at)
        self._ends.append(end)
        if len(self._ends) > _MOST_MOMENTS:
            # Older moments may lie further apart: what has waited for long need not be told to the second.
            del self._times[1:-100:2], self._ends[1:-100:2]

    def forget(self, offset: int) -> None:
        """Drop what no message from this offset on needs."""
        needless = bisect_right(self._ends, offset) - 1
        if needless > 0:
            del self._times[:needless], self._ends[:needless]

    def put_at(self, offset: int) -> float | None:
        """Return about when the message of an offset came (Unix seconds); None where nobody saw."""
        after = bisect_right(self._ends, offset)
        if after == len(self._ends):
            return None
        if after == 0:
            return self._times[0]
        low, high = self._ends[after - 1], self._ends[after]
        share = (offset + 1 - low) / (high - low)
        return self._times[after - 1] + share * (self._times[after] - self._times[after - 1])


class Flow:
    """One topic of the pipeline, all its partitions.

    ``put`` and ``done`` are the messages that were ever put on it and that were ever worked off.
    """

    def __init__(self) -> None:
        self.backlog = 0
        self.moved_at: float | None = None
        """When it was last seen that something was worked off, or that there was nothing to work off."""
        self._ends: dict[int, Ends] = {}
        self._oldest: float | None = None
        self._seen: deque[tuple[float, int, int]] = deque()

    def before(self, partition: int, moments: Iterable[tuple[float, int]]) -> None:
        """Take in where a partition's end stood before anybody looked, oldest first."""
        ends = self._ends[partition] = Ends()
        for at, end in moments:
            ends.add(at, end)

    def look(self, at: float, ends: Mapping[int, int], done: Mapping[int, int]) -> None:
        """Take in the ends of all partitions now, and the offsets before which all is worked off."""
        self.backlog = 0
        self._oldest = None
        for partition, end in ends.items():
            seen = self._ends.setdefault(partition, Ends())
            seen.add(at, end)
            begin = min(done.get(partition, 0), end)
            seen.forget(begin)
            if begin < end:
                self.backlog += end - begin
                put_at = seen.put_at(begin)
                if put_at is not None and (self._oldest is None or put_at < self._oldest):
                    self._oldest = put_at
        put, worked = sum(ends.values()), sum(done.values())
        if not self.backlog or not self._seen or worked != self._seen[-1][2]:
            self.moved_at = at
        self._seen.append((at, put, worked))
        while len(self._seen) > 2 and at - self._seen[1][0] >= RATE_SECONDS:
            self._seen.popleft()

    def oldest_seconds(self, now: float) -> float | None:
        """Return how long the oldest message that is not worked off has been there."""
        return None if self._oldest is None else max(0.0, now - self._oldest)

    @property
    def put_rate(self) -> float | None:
        """Messages a second put on the topic over the last 10 s; None while too little was seen."""
        return self._rate(1)

    @property
    def done_rate(self) -> float | None:
        """Messages a second worked off over the last 10 s; None while too little was seen."""
        return self._rate(2)

    def _rate(self, column: int) -> float | None:
        if len(self._seen) < 2:
            return None
        first, last = self._seen[0], self._seen[-1]
        took = last[0] - first[0]
        return None if took < _LEAST_SECONDS else max(0.0, (last[column] - first[column]) / took)


def together(rates: Iterable[float | None]) -> float | None:
    """Return the sum of rates; None when one of them is not known."""
    total = 0.0
    for rate in rates:
        if rate is None:
            return None
        total += rate
    return total
