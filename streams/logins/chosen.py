"""The login of an OAuth client that has both grants: what `ticketstream login` has stored comes first."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from schemas.cluster import Cluster
from schemas.errors import CredentialsError, UnavailableError
from streams.logins.renewing import RenewingLogin
from streams.logins.topic import has_login_topic
from streams.sources.zendesk.login import Login, LoginStatus

_LOOK_SECONDS: Final = 3.0
_POLL_STORED_LOGIN_SECONDS: Final = 15.0


class ChosenLogin:
    """``stored`` when there is a stored pair, else ``own``: looked up when the first call goes out.

    While Kafka cannot tell, or ``own`` is refused, calls go out with ``own``, and it is looked up again after
    15 s. ``there`` says whether the topic of stored logins exists.
    """

    def __init__(
        self,
        own: Login,
        stored: RenewingLogin,
        cluster: Cluster,
        *,
        there: Callable[[Cluster], Awaitable[bool]] = has_login_topic,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._own = own
        self._stored = stored
        self._cluster = cluster
        self._there = there
        self._clock = clock
        self._chosen: Login | None = None
        self._choosing = asyncio.Lock()
        self._look_at = float("-inf")

    @property
    def variables(self) -> str:
        """The settings it was made from."""
        return self._now.variables

    @property
    def _now(self) -> Login:
        return self._chosen or self._own

    async def authorization(self) -> str:
        """Return the header of the login in force; raises what it raises."""
        if self._chosen is None and self._clock() >= self._look_at:
            async with self._choosing:
                if self._chosen is None and self._clock() >= self._look_at:
                    await self._choose()
        try:
            return await self._now.authorization()
        except CredentialsError:
            self._doubt()
            raise

    def _doubt(self) -> None:
        """Look again, some time after: a client that may not use its own grant is logged in by a person."""
        if self._chosen is self._own:
            self._chosen = None
            self._look_at = self._clock() + _POLL_STORED_LOGIN_SECONDS

    async def _choose(self) -> None:
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                found = await self._there(self._cluster) and await self._stored.is_stored()
        except (UnavailableError, TimeoutError):
            self._look_at = self._clock() + _POLL_STORED_LOGIN_SECONDS
            found = False
        else:
            self._chosen = self._stored if found else self._own
        if not found:
            await self._stored.aclose()

    def accepted(self, authorization: str) -> None:
        """Tell the login in force."""
        self._now.accepted(authorization)

    async def refused(self, authorization: str) -> bool:
        """Ask the login in force."""
        another = await self._now.refused(authorization)
        if not another:
            self._doubt()
        return another

    def status(self) -> LoginStatus:
        """Return how the login in force stands."""
        return self._now.status()

    async def aclose(self) -> None:
        """End what goes on in the background."""
        await self._own.aclose()
        await self._stored.aclose()
