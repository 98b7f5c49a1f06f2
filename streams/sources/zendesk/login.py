"""What a login is, and the login whose header never changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from streams.secrets import keep_secret

_SOON_SECONDS: Final = 5 * 86_400.0
Grant = Literal["client_credentials", "refresh_token", "oauth_token", "api_token"]


@dataclass(frozen=True, slots=True)
class LoginStatus:
    """How a login stands; all times are Unix seconds by this machine's clock.

    ``life`` is how many seconds an access token lives and ``token_ends`` when the present one ends; ``ends``
    is when the login ends unless a person does something, or it is renewed before. None where nobody knows,
    or where there is no end.
    ``refused`` is why Zendesk does not let the login in, None while it does. ``renewed`` are the tokens got,
    ``renewals_failed`` and ``renewals_refused`` the requests for one that gave none; ``refusals`` are the
    calls that were answered 401. ``renewed_by`` names the process that got the present token for all.
    """

    grant: Grant
    scope: str | None = None
    life: float | None = None
    token_ends: float | None = None
    ends: float | None = None
    refused: str | None = None
    renewed: int = 0
    renewals_failed: int = 0
    renewals_refused: int = 0
    refusals: int = 0
    renewed_by: str | None = None

    def ends_soon(self, now: float) -> bool:
        """Say whether the login ends within five days: a refresh token lives 7 to 90 from each renewal."""
        return self.ends is not None and self.ends - now < _SOON_SECONDS


class Login(Protocol):
    """How calls log in: one login for all calls of a process, whose header may change while they run.

    ``variables`` names the settings it was made from, for whoever must mend them.
    """

    @property
    def variables(self) -> str: ...

    async def authorization(self) -> str:
        """Return the value of the ``Authorization`` header, valid now; it may have to be got first.

        Raises CredentialsError when none is to be had, RetryableError when it can be had later.
        """
        ...

    def accepted(self, authorization: str) -> None:
        """Be told that Zendesk let a call with this header in."""
        ...

    async def refused(self, authorization: str) -> bool:
        """Be told that Zendesk answered 401 to this header; returns whether another one is there now.

        False means that the login itself is wrong: nothing can be renewed, or what is new was refused too.
        Raises what ``authorization`` raises.
        """
        ...

    def status(self) -> LoginStatus:
        """Return how it stands now."""
        ...

    async def aclose(self) -> None:
        """End what goes on in the background; it starts again when it is needed."""
        ...


@dataclass(slots=True)
class StaticLogin:
    """A header that never changes: an OAuth access token, or an e-mail address with an API token.

    ``ends`` is when it will be refused whatever anybody does, in Unix seconds, where that is known.
    """

    header: str = field(repr=False)
    variables: str
    grant: Grant = "oauth_token"
    ends: float | None = None
    _refused: str | None = field(default=None, init=False)
    _refusals: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        keep_secret(self.header.partition(" ")[2])

    async def authorization(self) -> str:
        """Return the header."""
        return self.header

    def accepted(self, authorization: str) -> None:
        """Note that it is let in."""
        self._refused = None

    async def refused(self, authorization: str) -> bool:
        """Return False: there is no other header."""
        self._refused = f"Zendesk does not accept the login; check {self.variables}"
        self._refusals += 1
        return False

    def status(self) -> LoginStatus:
        """Return how it stands now."""
        return LoginStatus(self.grant, ends=self.ends, refused=self._refused, refusals=self._refusals)

    async def aclose(self) -> None:
        """Nothing goes on."""
