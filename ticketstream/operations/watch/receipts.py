"""Throughput and freshness, from the receipts of the last half hour."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import msgspec

from schemas.messages.tickets import IndexOutcome
from schemas.topics import CHANGES

STEP_SECONDS: Final = 10
POINTS: Final = 180
HISTORY_SECONDS: Final = STEP_SECONDS * POINTS
RECENT_SECONDS: Final = 300.0
"""The window of the present freshness; the objective is another figure."""
_WRITTEN: Final = frozenset({"indexed", "removed"})
"""Outcomes that made a change searchable."""
_MOST_CHANGES: Final = 20_000
"""Live changes that are looked at for the present freshness; of more, the newest."""


class _Origin(msgspec.Struct):
    topic: str


class _Lean(msgspec.Struct):
    """What is needed of a receipt: half a million may have to be read at a start."""

    outcome: IndexOutcome
    changed_at: float
    indexed_at: float
    origin: _Origin
    import_id: str = ""


class Freshness(msgspec.Struct, frozen=True):
    """Seconds from a change in Zendesk to its being searchable, and of how many changes."""

    p50: float | None
    p95: float | None
    changes: int


class Point(msgspec.Struct, frozen=True):
    """Ten seconds of history, from ``at`` on; ``backlog`` is None where nobody looked."""

    at: float
    indexed_per_second: float
    freshness_p50: float | None
    freshness_p95: float | None
    backlog: int | None


class _Step:
    __slots__ = ("ages", "backlog", "count")

    def __init__(self) -> None:
        self.count = 0
        self.ages: list[float] = []
        self.backlog: int | None = None


class Receipts:
    """Receipts by the moment the broker took them."""

    def __init__(self) -> None:
        self.last_at = 0.0
        """When the broker took the newest (Unix seconds)."""
        self._decoder = msgspec.json.Decoder(_Lean)
        self._steps: dict[int, _Step] = {}
        self._live: deque[tuple[float, float]] = deque(maxlen=_MOST_CHANGES)
        self._points: deque[Point] = deque(maxlen=POINTS)

    @property
    def points(self) -> list[Point]:
        """The points that are complete, oldest first."""
        return list(self._points)

    def add(self, raw: Any, now: float) -> None:
        """Take in a message of the receipts' topic; what is no receipt is passed over."""
        try:
            receipt = self._decoder.decode(raw.value or b"")
        except msgspec.MsgspecError:
            return
        at = raw.timestamp / 1000
        self.last_at = max(self.last_at, at)
        step = self._step(at)
        step.count += 1
        if receipt.origin.topic == CHANGES and not receipt.import_id and receipt.outcome in _WRITTEN:
            age = max(0.0, receipt.indexed_at - receipt.changed_at)
            step.ages.append(age)
            if now - at <= RECENT_SECONDS:
                self._live.append((at, age))

    def note_backlog(self, now: float, backlog: int) -> None:
        """Note how many messages wait in the pipeline."""
        self._step(now).backlog = backlog

    def complete(self, through: float) -> list[Point]:
        """Return the points that have become complete: all receipts from before ``through`` are in."""
        end = int(through // STEP_SECONDS)
        first = end - POINTS
        next_ = int(self._points[-1].at // STEP_SECONDS) + 1 if self._points else first
        made = []
        for number in range(max(next_, first), end):
            step = self._steps.get(number) or _Step()
            p50, p95 = percentiles(step.ages)
            made.append(
                Point(
                    at=float(number * STEP_SECONDS),
                    indexed_per_second=round(step.count / STEP_SECONDS, 3),
                    freshness_p50=p50,
                    freshness_p95=p95,
                    backlog=step.backlog,
                )
            )
        self._points.extend(made)
        for number in [number for number in self._steps if number < end]:
            del self._steps[number]
        return made

    def freshness(self, now: float) -> Freshness:
        """Return the freshness of the live changes of the last 5 minutes."""
        while self._live and now - self._live[0][0] > RECENT_SECONDS:
            self._live.popleft()
        # What was read at the start came partition by partition, not in the order of time.
        ages = [age for at, age in self._live if now - at <= RECENT_SECONDS]
        p50, p95 = percentiles(ages)
        return Freshness(p50, p95, len(ages))

    def _step(self, at: float) -> _Step:
        return self._steps.setdefault(int(at // STEP_SECONDS), _Step())


def percentiles(values: list[float]) -> tuple[float | None, float | None]:
    """Return the 50th and 95th percentile (nearest rank), rounded to milliseconds; None of nothing."""
    if not values:
        return None, None
    ordered = sorted(values)
    last = len(ordered) - 1
    return round(ordered[last // 2], 3), round(ordered[min(last, round(0.95 * last))], 3)
