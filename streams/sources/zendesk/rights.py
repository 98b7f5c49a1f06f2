"""What a 403 means: that one thing is refused, a whole kind of call, or the login itself."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from schemas.errors import CredentialsError, RefusedError, UnavailableError
from streams.limits import QuotaShare
from streams.sources.zendesk.exchange import Endpoint, Exchange
from streams.sources.zendesk.login import Login
from streams.sources.zendesk.standing import LoginStanding

FORBIDDEN: Final = 403
_OF_TICKETS: Final = frozenset(("comments", "tickets"))
"""Where a ticket is lost that is refused; what else is refused can be done without."""
_FEW: Final = 3


class RightsRefusedError(CredentialsError):
    """The login is good, but may make no call of this kind."""


class Rights:
    """Tells a thing that is refused from a login that is; ``good`` is what was answered last of each kind."""

    def __init__(
        self,
        exchange: Exchange,
        login: Login,
        general: QuotaShare,
        standing: LoginStanding,
        good: Mapping[str, tuple[str, Any]],
    ) -> None:
        self._exchange = exchange
        self._login = login
        self._general = general
        self._standing = standing
        self._good = good
        self._forbidden: dict[str, set[str]] = {}
        self._kinds: dict[str, LoginStanding] = {}

    def granted(self, endpoint: Endpoint) -> None:
        """Note that a call of a kind was answered: what was refused before was not all of it."""
        if self._forbidden:
            self._forbidden.pop(endpoint, None)

    async def weigh(self, endpoint: Endpoint, target: str, error: RefusedError) -> None:
        """Return when only this one thing is refused; raises CredentialsError when the login is."""
        if endpoint == "me":
            raise CredentialsError(
                f"{error}: the login may do nothing; check {self._login.variables}, and whether its user is "
                "suspended"
            ) from error
        try:
            await self._standing.check()
        except RefusedError as refused:  # an address that answers, but knows no /users/me
            raise UnavailableError(
                f"{error}, and whether the login is good cannot be told: {refused}"
            ) from None
        if endpoint == "export":
            raise RightsRefusedError(
                f"{error}: the login may not read the export; {self._login.variables} must belong to an "
                "administrator (the incremental export is for administrators only)"
            ) from error
        if endpoint in _OF_TICKETS and await self._refused_to_all(endpoint, target):
            raise RightsRefusedError(
                f"{error}: the login may not read this of any ticket; the rights and the scope of "
                f"{self._login.variables} must be an administrator's"
            ) from error

    async def _refused_to_all(self, endpoint: Endpoint, target: str) -> bool:
        """Say whether all things of a kind are refused: what was answered last is asked for once more.

        Where nothing was yet, the first few are taken for the only ones.
        """
        if endpoint not in self._good:
            self._forbidden.setdefault(endpoint, set()).add(target)
            return len(self._forbidden[endpoint]) > _FEW
        standing = self._kinds.get(endpoint)
        if standing is None:
            standing = self._kinds[endpoint] = LoginStanding(partial(self._ask_again, endpoint), seconds=10.0)
        try:
            await standing.check()
        except CredentialsError:
            return True
        return False

    async def _ask_again(self, endpoint: Endpoint) -> None:
        """Ask for what was answered last of a kind; raises CredentialsError for a 403 now."""
        target, _ = self._good[endpoint]
        await self._general.acquire(lane="live")
        try:
            await self._exchange.get(target, endpoint)
        except RefusedError as error:
            if error.status == FORBIDDEN:
                raise CredentialsError(str(error)) from error
