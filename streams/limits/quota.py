"""A worker's share of an account's quota: the partitions it owns, pooled.

aiolimiter and its kin know neither shares that change, nor lanes, nor a clock of one's own, and
they start with a full minute in hand: hence own code.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Final

from schemas.lanes import Lane
from streams.limits.bucket import TokenBucket
from streams.limits.pace import Pace
from streams.limits.recent_use import RecentUse
from streams.limits.waiters import Waiters

_MINUTE: Final = 60.05
"""Seconds; a little more than 60, for the way to the service is not always equally long."""
_SHORTEST_SLEEP: Final = 0.0005
_PACE_FROM_SECONDS: Final = 5.0
"""A shorter time to the reset is too coarse to compute a pace from: services round it to seconds."""
_PACE_BELOW: Final = 0.9
SILENT_PAUSE: Final = 1.0
"""Seconds all calls pause after a refusal that names no time: the first step of the back-off."""
_PACE_STEP: Final = 0.01
_END_OF_MINUTE: Final = 1.5
"""Seconds. A refusal this close to the reset means that the pace was right: the quota is used up in time."""
_LOOK_SECONDS: Final = 0.05


class QuotaShare:
    """Lets calls pass at the rate this worker may make them.

    Each partition holds ``per_minute / partitions``; the worker pools what it owns (``own``), and
    nobody passes while it owns nothing. At fixed ownership the sum over all workers stays within
    ``per_minute`` in any 60 s (calls of amount 1, and at least one call a minute and worker; larger
    amounts may exceed it by at most the largest one). Under demand it reaches 99 % of that: the
    rest pays for a burst of ``1 + burst_seconds`` worth of calls, which makes up for a busy event
    loop. It starts with a single token, so a restart can't double a minute's quota.

    Within a lane calls pass in their order, and ``live`` always before ``backfill``: a backfill
    takes what live traffic leaves. While live calls were seen in the last ``live_memory_seconds``,
    backfill also leaves the fraction ``reserve`` alone, so that the next live call finds a token
    waiting; otherwise it may use everything.

    ``per_minute`` may be more than the account gets: ``answered``, ``refused`` and ``observe`` tell what the
    service answers, and the rate follows it, see Pace (not where ``learns`` is off: a few calls a minute
    would take hours to come back up). Nobody passes while ``owns`` says no: then the
    partitions may be another worker's already, who spends their shares.

    One event loop only. ``clock`` gives seconds that never go back; ``sleep`` waits that many.
    Plain figures: ``acquired_total`` (sum of the amounts), ``waited_seconds_total``, and ``remaining``, what
    the service said last is left (at first: all).
    """

    def __init__(
        self,
        per_minute: float,
        partitions: int,
        *,
        reserve: float = 0.1,
        burst_seconds: float = 0.5,
        live_memory_seconds: float = 10.0,
        owns: Callable[[], bool] = lambda: True,
        learns: bool = True,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        if per_minute <= 0 or partitions < 1 or not 0 <= reserve < 1:
            raise ValueError("a quota needs per_minute > 0, partitions >= 1 and 0 <= reserve < 1")
        self.per_minute = per_minute
        self.partitions = partitions
        self.owned = 0
        self.acquired_total = 0.0
        self.waited_seconds_total = 0.0
        self.remaining = float(per_minute)
        self._reserve = reserve
        self._burst_seconds = burst_seconds
        self._live_memory = live_memory_seconds
        self._owns = owns
        self._learns = learns
        self._clock = clock
        self._pace = Pace()
        self._pace_shown = self._pace.part
        self._recent = RecentUse()
        self._sleep = sleep
        now = clock()
        self._all = TokenBucket(rate=0, burst=1, now=now, tokens=1)
        self._unreserved = TokenBucket(rate=0, burst=1, now=now, tokens=1)
        self._rate = 0.0
        self._paced_until = -math.inf
        self._paused_until = -math.inf
        self._live_seen_at = -math.inf
        self._waiters = Waiters()
        self._pump: asyncio.Task[None] | None = None
        self._sleeper: asyncio.Future[object] | None = None

    @classmethod
    def whole(
        cls,
        per_minute: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> QuotaShare:
        """Return a limit that owns all of its quota, and keeps its rate."""
        share = cls(per_minute, 1, learns=False, clock=clock, sleep=sleep)
        share.own(1)
        return share

    @property
    def waiting(self) -> int:
        """Calls that wait to pass."""
        return self._waiters.count

    @property
    def part(self) -> float:
        """The part of the quota that the service really gives, as far as is known: above 0, at most 1."""
        return self._pace.part

    @property
    def share(self) -> float:
        """What this worker may take in a minute, as far as is known."""
        return self.per_minute * self._pace.part * self.owned / self.partitions

    def own(self, n_partitions: int) -> None:
        """Hold the shares of that many partitions from now on; brings no tokens by itself."""
        if not 0 <= n_partitions <= self.partitions:
            raise ValueError(f"{n_partitions} of {self.partitions} partitions cannot be owned")
        self.owned = n_partitions
        quota = self.per_minute * n_partitions / self.partitions
        # A fraction of a call can't be used by this worker, and a full bucket counts against the window.
        usable = math.floor(quota + 1e-9) if quota >= 1 else quota
        spare = quota * self._burst_seconds / _MINUTE
        self._rate = (usable - spare) / _MINUTE
        self._paced_until = -math.inf
        self._set_rate(self._rate * self._pace.part, burst=1 + spare)
        self._wake()

    async def acquire(self, amount: float = 1, *, lane: Lane = "live") -> float:
        """Wait until ``amount`` may pass; returns the seconds waited."""
        now = self._clock()
        if lane == "live":
            self._live_seen_at = now
        if not self._waiters:
            self._all.refill(now)
            self._unreserved.refill(now)
            if now >= self._paused_until and self._delay(lane, amount, now) <= 0 and self._owns():
                self._take(lane, amount, now)
                return 0.0
        waiter = self._waiters.add(amount, lane)
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._serve_waiters())
        elif lane == "live":
            self._wake()
        try:
            await waiter.passed
        except asyncio.CancelledError:
            self._wake()
            raise
        waited = self._clock() - now
        self.waited_seconds_total += waited
        return waited

    def pause(self, seconds: float) -> None:
        """Let nobody pass for that long (``Retry-After``); never shortens a pause under way."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)

    def answered(self, beside: int = 0) -> None:
        """Note that the service took a call; ``beside``: how many are under way of which nothing is known."""
        self._pace.answered(beside)
        if self._pace.part >= min(self._pace_shown + _PACE_STEP, 1.0) > self._pace_shown:
            self._follow_pace()

    def refused(self, wait: float | None = None) -> None:
        """Note a 429 and let nobody pass for ``wait`` seconds (None: it named no time)."""
        # In a pause come the answers of what was under way when it began: they tell the same once more.
        if self._learns and self._clock() >= self._paused_until:
            self._pace.refused(wait, self._used_part())
            self._follow_pace()
        self.pause(SILENT_PAUSE if wait is None else wait)

    def _used_part(self) -> float:
        """Return about which part of the quota was used in the last seconds; 1 when it was held back."""
        if self._paced_until > -math.inf:
            return 1.0
        return self._recent.per_second(self._clock()) / self._rate if self._rate > 0 else math.inf

    def _follow_pace(self) -> None:
        self._pace_shown = self._pace.part
        if self._paced_until == -math.inf:
            self._set_rate(self._rate * self._pace.part)

    def observe(
        self, remaining: float, reset_seconds: float, *, in_flight: int = 0, age: float = 0.0
    ) -> None:
        """Follow what the service says is left of the account's quota until it starts anew.

        Nothing left means waiting for the reset; less than expected (somebody else uses the
        account too) means spreading this worker's part of it over the time that is left. ``in_flight``
        calls of this worker were sent and not yet answered: what is left is theirs first. ``age`` is how many
        seconds ago at most the service counted.
        """
        self.remaining = max(remaining, 0.0)
        if remaining <= 0:
            if reset_seconds > _END_OF_MINUTE:
                self.refused(reset_seconds)
            else:
                self.pause(reset_seconds)
            return
        if not self.owned:
            return
        now = self._clock()
        mine = max(remaining * self.owned / self.partitions - in_flight, 0.0)
        self._all.refill(now, self._waiters.largest)
        # What is under way will tell whether anything is left; with nothing under way one call has to ask.
        self._all.tokens = min(self._all.tokens, mine if in_flight else max(mine, 1.0))
        rate = self._rate * self._pace.part
        reset_seconds -= age
        if mine / max(reset_seconds, _SHORTEST_SLEEP) >= rate * _PACE_BELOW:
            if self._paced_until > now:
                self._paced_until = -math.inf
                self._set_rate(rate)
        elif reset_seconds > _PACE_FROM_SECONDS or (in_flight and mine <= 0):
            self._paced_until = now + max(reset_seconds, 0.0)
            self._set_rate(max(mine - self._all.tokens, 0.0) / max(reset_seconds, _SHORTEST_SLEEP))

    def _set_rate(self, rate: float, burst: float | None = None) -> None:
        now = self._clock()
        burst = self._all.burst if burst is None else burst
        ceiling = self._waiters.largest
        for bucket, part in ((self._all, 1.0), (self._unreserved, 1 - self._reserve)):
            bucket.change(rate=rate * part, burst=max(burst * part, 1.0), now=now, ceiling=ceiling)

    def _keeps_reserve(self, now: float) -> bool:
        return now - self._live_seen_at < self._live_memory

    def _delay(self, lane: Lane, amount: float, now: float) -> float:
        delay = self._all.delay(amount)
        if lane == "backfill" and self._keeps_reserve(now):
            reserved = self._unreserved.delay(amount)
            if reserved > delay:
                # The reserve may be lent out again before that.
                delay = min(reserved, max(delay, self._live_seen_at + self._live_memory - now))
        return delay

    def _take(self, lane: Lane, amount: float, now: float) -> None:
        self._all.take(amount)
        if lane == "backfill" and self._keeps_reserve(now):
            self._unreserved.take(amount)
        else:
            # Otherwise a backfill would come into the reserve's time with a full burst in hand.
            self._unreserved.tokens = min(self._unreserved.tokens, self._all.tokens)
        self.acquired_total += amount
        self._recent.add(amount, now)

    def _serve(self) -> float | None:
        """Let pass who may; returns the seconds until the next one may, None when nobody waits."""
        now = self._clock()
        if self._paced_until > -math.inf and now >= self._paced_until:
            self._paced_until = -math.inf
            self._set_rate(self._rate * self._pace.part)
        while (waiter := self._waiters.first()) is not None:
            if now < self._paused_until:
                return self._paused_until - now
            if not self._owns():
                return _LOOK_SECONDS
            ceiling = self._waiters.largest
            self._all.refill(now, ceiling)
            self._unreserved.refill(now, ceiling)
            delay = self._delay(waiter.lane, waiter.amount, now)
            if delay > 0:
                return min(delay, self._paced_until - now) if self._paced_until > now else delay
            self._take(waiter.lane, waiter.amount, now)
            if waiter.lane == "live":
                self._live_seen_at = now
            self._waiters.let_pass(waiter)
        return None

    async def _serve_waiters(self) -> None:
        while (delay := self._serve()) is not None:
            if math.isinf(delay):
                self._sleeper = asyncio.get_running_loop().create_future()
            else:
                self._sleeper = asyncio.ensure_future(self._sleep(max(delay, _SHORTEST_SLEEP)))
            # wait() keeps apart a wake-up, which cancels the sleeper, and the end of this task.
            try:
                await asyncio.wait((self._sleeper,))
            finally:
                self._sleeper.cancel()
                self._sleeper = None

    def _wake(self) -> None:
        if self._sleeper is not None:
            self._sleeper.cancel()
