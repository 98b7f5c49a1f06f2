"""The stored login as one process sees it: the pair in use, and whether somebody is renewing it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from schemas.errors import DecodeError
from schemas.logins import LoginClaim, LoginPair, LoginRecord
from streams.logins.log import LoginRecords
from streams.secrets import keep_secret
from streams.sources.zendesk.renewal.ledger import Claimed, LoginLedger, Target
from streams.sources.zendesk.renewal.sealing import Seal, Tokens

LOOK_SECONDS: Final = 1.0
"""So long a call waits for a renewal under way elsewhere, with a token that may live on meanwhile."""
_DUE: Final = (0.6, 0.75)
"""The part of an access token's life after which a process renews it, somewhere in between."""
_SPARE_SECONDS: Final = 2.0
_SPARE_PART: Final = 0.1
"""A token is not sent any more that close before its end: the smaller of both counts."""


class Seed(NamedTuple):
    """The refresh token of the settings, and the chain it begins."""

    token: str
    chain: str

    def __repr__(self) -> str:
        return f"Seed({self.chain})"


class Clock(NamedTuple):
    """Where time comes from: ``now`` never goes back, ``wall`` is Unix seconds, ``sleep`` waits."""

    now: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


REAL_CLOCK: Final = Clock()


@dataclass(slots=True)
class Held:
    """The pair in use; ``received``, ``due``, ``usable_until`` and ``ends`` are by this process's clock."""

    header: str = field(repr=False)
    tokens: Tokens = field(repr=False)
    pair: LoginPair
    received: float
    due: float
    ends: float
    accepted: bool = False

    @property
    def usable_until(self) -> float:
        """When it is not sent any more."""
        return self.ends - min(_SPARE_SECONDS, (self.ends - self.received) * _SPARE_PART)


class LoginView:
    """Follows the records of one login. ``changed`` is called when ``held`` or ``elsewhere_until`` changed.

    ``unreadable`` says why the newest pair cannot be opened. Until ``elsewhere_until`` it is better to wait
    for a new pair than to use the one that is held: somebody is just renewing it.
    """

    def __init__(
        self,
        records: LoginRecords,
        seal: Seal,
        about: Callable[[LoginPair], bytes],
        seed: Seed | None,
        clock: Clock = REAL_CLOCK,
    ) -> None:
        self.records = records
        self.ledger = LoginLedger()
        self.seed = seed
        self.held: Held | None = None
        self.unreadable: str | None = None
        self.elsewhere_until = float("-inf")
        self.claim_seen = float("-inf")
        self.changed: Callable[[], None] = lambda: None
        self._seal = seal
        self._about = about
        self._clock = clock
        self._claimant = ""
        self._live = False
        self._news = asyncio.Event()

    async def open(self) -> None:
        """Read all there is, then follow; raises UnavailableError."""
        await self.records.open(self._take)
        self._live = True

    async def aclose(self) -> None:
        """Follow no longer."""
        self._live = False
        await self.records.aclose()

    def target(self) -> Target | None:
        """Return the login in force."""
        return self.ledger.target(None if self.seed is None else self.seed.chain)

    def usable(self) -> Held | None:
        """Return the pair that is held, if its access token has not ended."""
        held = self.held
        return held if held is not None and self._clock.now() < held.usable_until else None

    def seed_waits(self) -> bool:
        """Say whether the settings hold a refresh token that is to take over, and has not yet."""
        if self.seed is None:
            return False
        target = self.target()
        return not self.ledger.is_begun(self.seed.chain) or (
            target is not None and target.pair is None and self.ledger.death_of(target) is None
        )

    async def wait(self, over: Callable[[], bool], seconds: float) -> None:
        """Wait until ``over`` holds after some record, at most so many seconds."""
        until = self._clock.now() + seconds
        while not over() and (left := until - self._clock.now()) > 0:
            news = asyncio.ensure_future(self._news.wait())
            sleep = asyncio.ensure_future(self._clock.sleep(left))
            try:
                await asyncio.wait((news, sleep), return_when=asyncio.FIRST_COMPLETED)
            finally:
                news.cancel()
                sleep.cancel()

    def _take(self, record: LoginRecord, at: float) -> None:
        self.ledger.apply(record, at)
        target = self.target()
        if target is not None:
            if target.pair is not None and (self.held is None or self.held.pair != target.pair):
                self._adopt(target.pair)
            if isinstance(record, LoginClaim):
                self._notice(record, self.ledger.claim_of(target))
        self._news.set()
        self._news = asyncio.Event()

    def _notice(self, claim: LoginClaim, holds: Claimed | None) -> None:
        if holds is None or holds.claimant != claim.claimant:
            return  # too late: another one is before it
        self.claim_seen = self._clock.now()
        if self._live and claim.claimant != self._claimant:
            self._claimant = claim.claimant
            self.elsewhere_until = self.claim_seen + LOOK_SECONDS
            self.changed()

    def _adopt(self, pair: LoginPair) -> None:
        try:
            tokens = self._seal.open(pair.sealed, self._about(pair))
        except DecodeError as error:
            self.unreadable = f"{error} (it is of {pair.by}, key {pair.key_id}; ours is {self._seal.key_id})"
            return
        keep_secret(tokens.access)
        keep_secret(tokens.refresh)
        self.unreadable = None
        now, life = self._clock.now(), pair.access_ends - pair.issued_at
        # One that comes while we look on is new, whatever the clocks of both machines say.
        age = 0.0 if self._live else min(max(self._clock.wall() - pair.issued_at, 0.0), life)
        received = now - age
        self.held = Held(
            f"Bearer {tokens.access}",
            tokens,
            pair,
            received=received,
            due=received + life * random.uniform(*_DUE),
            ends=received + life,
        )
        self._claimant = ""
        self.elsewhere_until = float("-inf")
        self.changed()
