"""Daily caps on what embedding spends: they pause it, and never fail or lose anything.

Every partition holds its share of a cap, and remembers in the table ``spending`` what it has spent
today. A call is put down there, changelog acknowledged, before it is made: a worker that is killed
wastes at most the calls it had in flight, and never makes one too many.

A day is one of UTC: it has always 24 hours, everywhere. Google's own quota of requests a day starts
anew at midnight Pacific time (https://ai.google.dev/gemini-api/docs/rate-limits) and is not mirrored
here: when that one is used up, Gemini says so itself, and is asked again later.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, Protocol

import structlog

from agents.app.part import Part
from schemas.errors import UnavailableError
from schemas.lanes import Lane
from schemas.tables import SPENDING_KEY, EmbeddingSpent
from streams.limits.daily import DailyShare, TooMuchAtOnceError
from streams.limits.daily_caps import DAY, VARIABLES, Unit
from streams.metrics.services import ServiceMetrics

TABLE: Final = "spending"
_LONGEST_SLEEP_SECONDS: Final = 60.0
"""The longest sleep: a clock that is set, or a machine that wakes up, is noticed that soon."""


class PartitionsLostError(Exception):
    """Nobody waits for this call any more: its messages come again, here or elsewhere."""


class _Table(Protocol):
    def get(self, partition: int, key: bytes) -> Any: ...

    async def put(self, partition: int, entries: Iterable[tuple[bytes, Any]]) -> None: ...


class DailyCaps(Part):
    """The daily caps of one worker; EmbeddingBatcher asks it before every call.

    ``clock`` gives Unix seconds; ``sleep`` waits that many seconds.
    """

    def __init__(
        self,
        caps: Mapping[Unit, int],
        table: _Table,
        partitions: int,
        metrics: ServiceMetrics,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._caps = dict(caps)
        self._shares: dict[Unit, DailyShare] = {
            unit: DailyShare(cap, partitions) for unit, cap in caps.items()
        }
        self._table = table
        self._metrics = metrics
        self._clock = clock
        self._sleep = sleep
        self._day = self._today()
        self._owned: tuple[int, ...] = ()
        self._paused: dict[Lane, Unit] = {}
        self._lock = asyncio.Lock()
        self._sleepers: set[asyncio.Future[object]] = set()
        self._generation = 0
        self._show()

    def _today(self) -> int:
        return int(self._clock() // DAY)

    def paused(self, lane: Lane = "backfill") -> bool:
        """Say whether a lane's texts wait for the next day."""
        return lane in self._paused and not self._is_over(self._today())

    def _is_over(self, today: int) -> bool:
        # A clock set back over midnight must not bring the cap of a day a second time.
        return today != self._day and today != self._day - 1

    async def take(self, partitions: frozenset[int], gained: frozenset[int]) -> None:
        """Take up what these partitions have spent today."""
        async with self._lock:
            self._owned = tuple(sorted(partitions))
            today = self._today()
            kept: dict[int, EmbeddingSpent] = {}
            for partition in self._owned:
                entry = self._table.get(partition, SPENDING_KEY)
                if entry is not None and entry.day in (today, today + 1):
                    kept[partition] = entry
            self._day = max([today, *(entry.day for entry in kept.values())])
            current = {partition: entry for partition, entry in kept.items() if entry.day == self._day}
            for unit, share in self._shares.items():
                share.own({p: getattr(current[p], unit) if p in current else 0.0 for p in self._owned})
            self._paused.clear()
            self._show()
            # The cap may have been raised since, or partitions with something left have come. So a pause is
            # forgotten here, and begins again with the first call that exceeds a cap.
            marked = [partition for partition, entry in kept.items() if entry.paused]
            try:
                await self._write(marked)
            except UnavailableError as error:
                structlog.get_logger().warning("the end of a pause was not noted", error=error)

    async def let_go(self) -> None:
        """Own nothing; called when the callers of all waiting calls are gone."""
        self._generation += 1
        self._lock = asyncio.Lock()  # its holder may wait for a Kafka that is away
        self._owned = ()
        for share in self._shares.values():
            share.own({})
        self._paused.clear()
        self._show()
        for sleeper in list(self._sleepers):
            sleeper.cancel()

    async def acquire(self, requests: float, tokens: float, *, lane: Lane, divisible: bool) -> float:
        """Wait until the caps hold the amounts, and put them down; returns the seconds waited.

        Raises TooMuchAtOnceError, when ``divisible``, for a call of which a part could be made today,
        PartitionsLostError when the partitions go, and UnavailableError when Kafka does not take the note.
        """
        amounts: dict[Unit, float] = {"requests": requests, "tokens": tokens}
        generation = self._generation
        began = self._clock()
        while True:
            async with self._lock:
                if generation != self._generation:
                    raise PartitionsLostError("the partitions of this call have gone")
                self._look_at_the_day()
                if lane not in self._paused and self._owned:
                    exceeded = self._exceeded(amounts, lane)
                    if exceeded is None:
                        await self._spend(amounts)
                        if generation != self._generation:
                            raise PartitionsLostError("the partitions of this call have gone")
                        return max(0.0, self._clock() - began)
                    if divisible and all(
                        share.holds(amounts[unit], lane) or share.worth_splitting(amounts[unit], lane)
                        for unit, share in self._shares.items()
                    ):
                        raise TooMuchAtOnceError
                    await self._pause(lane, exceeded)
            await self._wait()

    def _exceeded(self, amounts: Mapping[Unit, float], lane: Lane) -> Unit | None:
        for unit, share in self._shares.items():
            if not share.holds(amounts[unit], lane):
                return unit
        return None

    async def _spend(self, amounts: Mapping[Unit, float]) -> None:
        charges = {unit: share.charges(amounts[unit]) for unit, share in self._shares.items()}
        await self._write(sorted({partition for paid in charges.values() for partition in paid}), charges)
        for unit, share in self._shares.items():
            share.pay(charges[unit])
        self._show()

    async def _write(
        self, partitions: Iterable[int], charges: Mapping[Unit, Mapping[int, float]] | None = None
    ) -> None:
        """Write the entries of these partitions, with what is to be put down to them now."""

        def spent(unit: Unit, partition: int) -> float:
            if unit not in self._shares:
                return 0.0
            more = (charges or {}).get(unit, {}).get(partition, 0.0)
            return self._shares[unit].spent_by(partition) + more

        unit = self._paused.get("backfill")
        await asyncio.gather(
            *(
                self._table.put(
                    partition,
                    [
                        (
                            SPENDING_KEY,
                            EmbeddingSpent(
                                day=self._day,
                                requests=spent("requests", partition),
                                tokens=spent("tokens", partition),
                                paused=unit or "",
                                cap=self._caps[unit] if unit else 0,
                            ),
                        )
                    ],
                )
                for partition in partitions
            )
        )

    def _look_at_the_day(self) -> None:
        today = self._today()
        if not self._is_over(today):
            return
        self._day = today
        for share in self._shares.values():
            share.new_day()
        if self._paused:
            structlog.get_logger().info("embedding goes on: a new day has begun", lanes=sorted(self._paused))
            self._paused.clear()
        self._show()

    async def _pause(self, lane: Lane, unit: Unit) -> None:
        # What live changes cannot have, a backfill cannot have either.
        lanes: list[Lane] = ["live", "backfill"] if lane == "live" else ["backfill"]
        new: list[Lane] = [each for each in lanes if each not in self._paused]
        for each in new:
            self._paused[each] = unit
        self._show()
        structlog.get_logger().warning(
            "embedding is paused: the daily cap is reached",
            lanes=new,
            setting=VARIABLES[unit],
            cap=self._caps[unit],
            spent_here=round(self._shares[unit].spent),
            goes_on_at="00:00 UTC",
        )
        if "backfill" in new:
            try:
                await self._write(self._owned)
            except UnavailableError:
                self._paused.pop("backfill")  # to be noted with the next attempt
                raise

    async def _wait(self) -> None:
        left = (self._day + 1) * DAY - self._clock()
        sleeper: asyncio.Future[object] = asyncio.ensure_future(
            self._sleep(min(max(left, 0.05), _LONGEST_SLEEP_SECONDS))
        )
        self._sleepers.add(sleeper)
        try:
            # ``let_go`` wakes this task by cancelling the sleeper. asyncio.wait does not raise then, only
            # when this task itself is cancelled.
            await asyncio.wait((sleeper,))
        finally:
            self._sleepers.discard(sleeper)
            sleeper.cancel()

    def _show(self) -> None:
        for unit, share in self._shares.items():
            self._metrics.spent.labels(unit).set(share.spent)
            self._metrics.cap.labels(unit).set(share.most("live"))
        for lane in ("live", "backfill"):
            self._metrics.paused.labels(lane).set(lane in self._paused)
