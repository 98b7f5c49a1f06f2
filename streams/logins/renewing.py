"""The login of the grant ``refresh_token``: one process renews it, all have the new pair at once.

A renewal kills the old access and refresh token for everybody, and a refresh token serves once. So whoever
wants to renew first claims that in Kafka, where the order of the claims decides; sends the refresh token only
while its claim holds; and stores the new pair, on its disk and in Kafka, before anybody uses it. Everybody
follows the records, so the new pair is with all processes as soon as Kafka has it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

import structlog

from schemas.errors import CredentialsError, RetryableError, TicketstreamError, UnavailableError
from schemas.logins import Cause, LoginPair
from streams.logins.renewer import Renewer
from streams.logins.view import REAL_CLOCK, Clock, Held, LoginView
from streams.sources.zendesk.login import LoginStatus

_FRESH_SECONDS: Final = 60.0
_REPLACED_A_MINUTE: Final = 20
"""More renewals than this are not made for 401s: then it is no matter of tokens, but of what is asked."""
_MINUTE: Final = 60.0
_REST_SECONDS: Final = 1.0
_LONGEST_REST_SECONDS: Final = 30.0
_CLOSE_SECONDS: Final = 20.0
_DAY: Final = 24 * 3600.0


class RenewingLogin:
    """A login for all calls of a process; see streams.sources.zendesk.auth.Login."""

    def __init__(
        self, view: LoginView, renewer: Renewer, *, variables: str, clock: Clock = REAL_CLOCK
    ) -> None:
        self.variables = variables
        self._view = view
        self._renewer = renewer
        self._clock = clock
        self._open = False
        self._opening: asyncio.Task[None] | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._failure: TicketstreamError | None = None
        self._failures = 0
        self._waiting = 0
        self._replaced: deque[float] = deque(maxlen=_REPLACED_A_MINUTE)
        self._refused_pair: LoginPair | None = None
        self._wrong: str | None = None
        self._rest_until = float("-inf")
        self._quiet_until = float("-inf")
        self._warned = float("-inf")
        self._failed = 0
        self._refused = 0
        self._refusals = 0
        view.changed = self._changed

    async def authorization(self) -> str:
        """Return the header that is valid now.

        Raises CredentialsError when there is no login, or it has died; UnavailableError while the last token
        has ended and Kafka or Zendesk is away.
        """
        held = self._view.held
        if held is not None and self._clock.now() < self._quiet_until:
            return held.header
        await self._opened()
        held = self._view.usable()
        now = self._clock.now()
        if held is None or (self._view.seed_waits() and now >= self._rest_until):
            try:
                return (await self._renewed(None, "due")).header
            except TicketstreamError:
                if held is None:
                    raise
        if now >= held.due and now >= self._rest_until:
            self._begin(held.pair, "due")
        self._warn(held.pair)
        if now < self._view.elsewhere_until:
            # Somebody has begun to kill this token: a moment's patience spares a refused call.
            await self._another_than(held)
        self._quiet()
        return (self._view.held or held).header

    def accepted(self, authorization: str) -> None:
        """Note that Zendesk took a header."""
        if self._view.held is not None and self._view.held.header == authorization:
            self._view.held.accepted = True
            self._wrong = None

    async def refused(self, authorization: str) -> bool:
        """Return whether there is another header; when there is none, it is got at once.

        That would not help where the token was got because the one before it was refused: then the login
        itself is wrong. Raises what ``authorization`` raises.
        """
        self._refusals += 1
        await self._opened()
        held = self._view.held
        if held is None or held.header != authorization:
            return True
        if self._clock.now() < self._view.elsewhere_until and await self._another_than(held):
            return True
        replaced = self._replaced
        useless = (
            self._refused_pair is not held.pair
            and len(replaced) == _REPLACED_A_MINUTE
            and self._clock.now() - replaced[0] < _MINUTE
        )
        if self._is_fresh(held) or useless:
            self._wrong = f"Zendesk answers 401 to tokens that it has just given; check {self.variables}"
            return False
        if self._refused_pair is not held.pair:  # many calls may have met it
            self._refused_pair = held.pair
            replaced.append(self._clock.now())
        await self._renewed(held.pair, "refused")
        return self._view.held is not held

    async def is_stored(self) -> bool:
        """Return whether there is a pair; raises UnavailableError."""
        await self._opened()
        target = self._view.target()
        return target is not None and target.pair is not None

    def status(self) -> LoginStatus:
        """Return how it stands, as far as it is known without asking anybody."""
        target = self._view.target()
        pair = None if target is None else target.pair
        dead = None if target is None else self._view.ledger.death_of(target)
        failure = self._failure if isinstance(self._failure, CredentialsError) else None
        return LoginStatus(
            "refresh_token",
            life=None if pair is None else pair.access_ends - pair.issued_at,
            token_ends=None if pair is None else pair.access_ends,
            ends=None if pair is None else pair.refresh_ends,
            refused=self._wrong or (str(failure) if failure is not None else dead),
            renewed=self._renewer.renewed,
            renewals_failed=self._failed,
            renewals_refused=self._refused,
            refusals=self._refusals,
            renewed_by=None if pair is None else pair.by,
        )

    async def aclose(self) -> None:
        """End, until it is needed again; a renewal that Zendesk may know of is brought to its end first."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        renewal = self._renewal
        if renewal is not None and not renewal.done():
            if self._renewer.at_zendesk:
                await asyncio.wait((renewal,), timeout=_CLOSE_SECONDS)
            renewal.cancel()
            await asyncio.gather(renewal, return_exceptions=True)
        self._open = False
        await self._view.aclose()

    async def _opened(self) -> None:
        """Have the records read; who is cancelled meanwhile leaves that to the others."""
        if not self._open:
            if self._opening is None or self._opening.done():
                self._opening = asyncio.create_task(self._opened_once())
                self._opening.add_done_callback(_looked_at)
            await asyncio.shield(self._opening)

    async def _opened_once(self) -> None:
        await self._view.open()
        self._open = True
        await self._renewer.bring_pending()

    def _changed(self) -> None:
        """A new pair is there, or somebody has begun to renew: the next call looks at it."""
        if self._view.elsewhere_until < self._clock.now():
            self._failure, self._failures, self._rest_until = None, 0, float("-inf")
        self._quiet_until = float("-inf")

    def _quiet(self) -> None:
        """Note until when a call need not look at anything."""
        held = self._view.held
        if held is None:
            return
        now = self._clock.now()
        renewing = self._renewal is not None and not self._renewal.done()
        later = now + _REST_SECONDS if renewing and now >= held.due else max(held.due, self._rest_until)
        self._quiet_until = min(later, held.usable_until)

    def _is_fresh(self, held: Held) -> bool:
        now = self._clock.now()
        young = now < min(held.usable_until, held.received + _FRESH_SECONDS)
        return held.pair.cause != "due" and not held.accepted and young

    async def _another_than(self, held: Held) -> bool:
        """Wait for the pair of whoever is renewing; returns whether it has come."""
        seconds = self._view.elsewhere_until - self._clock.now()
        await self._view.wait(lambda: self._view.held is not held, seconds)
        return self._view.held is not held

    async def _renewed(self, replacing: LoginPair | None, cause: Cause) -> Held:
        """Return another pair than ``replacing``; many callers wait for one renewal."""
        if self._failure is not None and self._clock.now() < self._rest_until:
            raise self._failure.with_traceback(None)
        self._waiting += 1
        try:
            await asyncio.shield(self._begin(replacing, cause))
        finally:
            self._waiting -= 1
        if self._view.held is None:
            raise UnavailableError("Zendesk's login was renewed, but has not arrived yet")
        return self._view.held

    def _begin(self, replacing: LoginPair | None, cause: Cause) -> asyncio.Task[None]:
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.create_task(self._renewer.renew(replacing, cause))
            self._renewal.add_done_callback(self._ended)
        return self._renewal

    def _ended(self, renewal: asyncio.Task[None]) -> None:
        error = None if renewal.cancelled() else renewal.exception()
        if error is None:
            return
        if not isinstance(error, TicketstreamError):
            structlog.get_logger().error("a renewal of the login broke", error=error, exc_info=error)
            return
        self._failures += 1
        if isinstance(error, CredentialsError):
            self._refused += 1
        else:
            self._failed += 1
        pause = min(_REST_SECONDS * 2 ** min(self._failures - 1, 10), _LONGEST_REST_SECONDS)
        if isinstance(error, RetryableError):
            pause = max(pause, error.retry_after or 0.0)
        self._failure, self._rest_until = error, self._clock.now() + pause
        self._quiet()
        if not self._waiting:  # or those who wait for it say so
            structlog.get_logger().warning(
                "the login was not renewed", error=error, wait_seconds=round(pause, 1)
            )

    def _warn(self, pair: LoginPair) -> None:
        now = self._clock.wall()
        if now > self._warned + _DAY and self.status().ends_soon(now):
            self._warned = now
            structlog.get_logger().warning(
                "Zendesk's login ends soon unless it is renewed; then run `ticketstream login`",
                days=round((pair.refresh_ends - now) / _DAY, 1),
            )


def _looked_at(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()  # or asyncio says that nobody has asked for it
