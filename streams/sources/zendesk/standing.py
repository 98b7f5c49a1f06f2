"""Whether the login is good: ``/users/me`` is asked once for all who wonder whether a 403 is about it.

While it is refused, one call in a while finds out whether it has been mended, and the others are not made.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from schemas.errors import CredentialsError, quoting

REMEMBERED_SECONDS: Final = 60.0
"""A login that was good a minute ago is taken for good: one thing refused is then one call, not two."""


class LoginStanding:
    """Asks whether the login is good.

    ``ask`` returns when Zendesk knows the login, and raises CredentialsError when it does not, RetryableError
    when nobody can tell now. A good login is remembered for ``seconds``, one that is refused for
    ``refused_seconds``.
    """

    def __init__(
        self,
        ask: Callable[[], Awaitable[None]],
        *,
        seconds: float = REMEMBERED_SECONDS,
        refused_seconds: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._seconds = seconds
        self._clock = clock
        self._refused_seconds = refused_seconds
        self._good_until = float("-inf")
        self._refused_until = float("-inf")
        self._refusal: CredentialsError | None = None
        self._asking: asyncio.Task[None] | None = None

    def refused(self, error: CredentialsError) -> None:
        """Remember that the login is refused: a call has been."""
        self._good_until = float("-inf")
        self._refused_until = self._clock() + self._refused_seconds
        self._refusal = error

    def accepted(self) -> None:
        """Forget that the login was refused: a call has got its answer."""
        self._refusal = None

    def hold_back(self) -> None:
        """Return when a call may be made; raises CredentialsError while the login is known to be refused."""
        refusal = self._refusal
        if refusal is not None and self._clock() < self._refused_until:
            raise quoting(CredentialsError(str(refusal)), refusal.quoted)

    async def check(self) -> None:
        """Return when the login is good; one question serves all who ask meanwhile. Raises what it raises."""
        if self._clock() < self._good_until:
            return
        if self._asking is None:
            self._asking = asyncio.create_task(self._check())
        # Whoever is cancelled leaves the question to the others.
        await asyncio.shield(self._asking)

    async def _check(self) -> None:
        try:
            await self._ask()
            self._good_until = self._clock() + self._seconds
        finally:
            self._asking = None
