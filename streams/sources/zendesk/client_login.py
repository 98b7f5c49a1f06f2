"""The login of an OAuth client (grant ``client_credentials``): tokens that end, renewed before they do."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from schemas.errors import CredentialsError, RetryableError, UnavailableError
from streams.sources.zendesk.login import LoginStatus
from streams.sources.zendesk.tokens import Granted

RENEWED_FROM: Final = 0.75
RENEWED_UNTIL: Final = 0.85
"""The part of a token's life after which it is renewed: between these, so that processes that started
together do not ask together."""
FRESH_SECONDS: Final = 60.0
"""A token that no call has been let in with is fresh for so long, at most half its life: a 401 to it is no
matter of its age."""
_REPLACED_A_MINUTE: Final = 30
"""More tokens than this are not got because of 401s: then it is no matter of tokens, but of what is asked."""
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 15.0


@dataclass(slots=True)
class _Token:
    """A header, and when it is renewed and ends, by the clock of the login."""

    header: str = field(repr=False)
    got_at: float
    renew_at: float
    ends_at: float
    life: float | None
    accepted: bool = False

    @property
    def fresh_for(self) -> float:
        return min(FRESH_SECONDS, (self.ends_at - self.got_at) / 2)


class ClientLogin:
    """Gets tokens at need by ``ask``; one request serves all calls that wait.

    While a token lives, no call waits for the next one, and a renewal that fails is tried again behind the
    calls. A refused client is asked for again too, with pauses of up to 15 s, so that all goes on when it is
    mended at Zendesk's side; in the pauses calls get the error that stands.

    ``clock`` gives seconds that never go back, so that a step of the machine's clock ends no token; ``now``
    gives Unix seconds, for people only.
    """

    def __init__(
        self,
        ask: Callable[[], Awaitable[Granted]],
        *,
        variables: str,
        scope: str,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.variables = variables
        self._ask = ask
        self._scope = scope
        self._clock = clock
        self._now = now
        self._chance = chance
        self._token: _Token | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._error: CredentialsError | RetryableError | None = None
        self._distrusted = False
        """Whether a fresh token was refused, and none has been let in since."""
        self._again_at = -math.inf
        self._replaced: deque[float] = deque(maxlen=_REPLACED_A_MINUTE)
        self._failures = 0
        self._renewed = 0
        self._failed = 0
        self._refused = 0
        self._refusals = 0

    async def authorization(self) -> str:
        """Return the header; waits for a token only when none lives.

        Raises CredentialsError for a client that is refused, RetryableError while no token is to be had.
        """
        token = self._living()
        if token is None:
            return await self._next()
        now = self._clock()
        if now >= token.renew_at and now >= self._again_at:
            self._renew()
        return token.header

    def accepted(self, authorization: str) -> None:
        """Note that the token is good."""
        if self._token is not None and authorization == self._token.header:
            self._token.accepted = True
            if self._distrusted:
                self._distrusted = False
                self._succeeded()

    async def refused(self, authorization: str) -> bool:
        """Get another token.

        False when the refused one is fresh, for then the login is wrong; or when new ones do not help.
        """
        self._refusals += 1
        token = self._token
        if token is None or authorization != token.header:
            return True
        now = self._clock()
        if len(self._replaced) == _REPLACED_A_MINUTE and now - self._replaced[0] < 60:
            return False
        self._token = None
        if not token.accepted and now - token.got_at < token.fresh_for:
            self._distrusted = True
            self._fail(
                CredentialsError(
                    "Zendesk answers 401 to access tokens that it has just given: check the user who made "
                    f"the OAuth client, and {self.variables}"
                )
            )
            return False
        self._replaced.append(now)
        await self._next()
        return True

    def status(self) -> LoginStatus:
        """Return how it stands now."""
        token = self._living()
        ends = None if token is None else self._now() + token.ends_at - self._clock()
        wrong = isinstance(self._error, CredentialsError) and (token is None or self._distrusted)
        return LoginStatus(
            "client_credentials",
            scope=self._scope,
            life=None if token is None else token.life,
            token_ends=None if ends is None or math.isinf(ends) else ends,
            refused=str(self._error) if wrong else None,
            renewed=self._renewed,
            renewals_failed=self._failed,
            renewals_refused=self._refused,
            refusals=self._refusals,
        )

    async def aclose(self) -> None:
        """End a renewal under way."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.gather(self._renewal, return_exceptions=True)
            self._renewal = None

    async def _next(self) -> str:
        """Wait for a token got by the one request there is; raises why there is none."""
        now = self._clock()
        if self._renewal is None and self._error is not None and now < self._again_at:
            raise _repeated(self._error, self._again_at - now)
        # Whoever is cancelled leaves the request to the others.
        await asyncio.shield(self._renew())
        token = self._living()
        if token is not None:
            return token.header
        raise _repeated(self._error or UnavailableError("the access token was refused meanwhile"), 0.0)

    def _living(self) -> _Token | None:
        token = self._token
        return token if token is not None and self._clock() < token.ends_at else None

    def _renew(self) -> asyncio.Task[None]:
        if self._renewal is None:
            self._renewal = asyncio.create_task(self._request())
        return self._renewal

    async def _request(self) -> None:
        # The life is counted from before the request: Zendesk has counted from later on.
        asked_at = self._clock()
        try:
            granted = await self._ask()
        except CredentialsError as error:
            self._refused += 1
            self._fail(error)
        except RetryableError as error:
            self._failed += 1
            self._fail(error)
        else:
            self._renewed += 1
            if not self._distrusted:
                self._succeeded()
            self._token = self._made(granted, asked_at)
        finally:
            self._renewal = None

    def _made(self, granted: Granted, at: float) -> _Token:
        life = granted.seconds
        span = math.inf if life is None else life
        part = RENEWED_FROM + (RENEWED_UNTIL - RENEWED_FROM) * self._chance()
        return _Token(f"Bearer {granted.access_token}", at, at + span * part, at + span, life)

    def _succeeded(self) -> None:
        self._error = None
        self._failures = 0
        self._again_at = -math.inf

    def _fail(self, error: CredentialsError | RetryableError) -> None:
        """Ask again after a pause: 1, 2, 4 … 15 s, or what Zendesk asked for."""
        pause = min(_FIRST_PAUSE * 2.0 ** min(self._failures, 10), _LONGEST_PAUSE)
        if isinstance(error, RetryableError):
            pause = max(pause, error.retry_after or 0.0)
        if self._living() is not None:
            # The calls go on with the token that lives, so none of them tells.
            structlog.get_logger().warning(
                "the access token was not renewed", error=error, wait_seconds=round(pause, 1)
            )
        self._error = error
        self._failures += 1
        self._again_at = self._clock() + pause


def _repeated(error: CredentialsError | RetryableError, pause: float) -> CredentialsError | RetryableError:
    """Return the error anew, for each call its own; it says when asking again makes sense."""
    if isinstance(error, CredentialsError):
        return CredentialsError(str(error))
    return type(error)(str(error), pause or error.retry_after)
