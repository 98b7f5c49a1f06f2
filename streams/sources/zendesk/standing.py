"""Whether a 403 is about the login or about one thing: ``/users/me`` is asked once for all who wonder."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

REMEMBERED_SECONDS: Final = 60.0
"""A login that was good a minute ago is taken for good: one thing refused is then one call, not two."""


class LoginStanding:
    """Asks whether the login is good.

    ``ask`` returns when Zendesk knows the login, and raises CredentialsError when it does not, RetryableError
    when nobody can tell now. Only a good login is remembered, for ``seconds``.
    """

    def __init__(
        self,
        ask: Callable[[], Awaitable[None]],
        *,
        seconds: float = REMEMBERED_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._seconds = seconds
        self._clock = clock
        self._good_until = float("-inf")
        self._asking: asyncio.Task[None] | None = None

    def refused(self) -> None:
        """Forget that the login was good: a call has been answered with 401."""
        self._good_until = float("-inf")

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
