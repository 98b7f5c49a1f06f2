"""The login: an OAuth token, or else an e-mail address with an API token."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import SecretStr

from schemas.errors import SettingsError
from schemas.settings import PREFIX, Settings

_OAUTH = f"{PREFIX}ZENDESK__OAUTH_TOKEN"
_EMAIL = f"{PREFIX}ZENDESK__EMAIL"
_TOKEN = f"{PREFIX}ZENDESK__API_TOKEN"


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

    async def aclose(self) -> None:
        """End what goes on in the background."""
        ...


@dataclass(frozen=True, slots=True)
class StaticLogin:
    """A header that never changes: an old OAuth token, or an e-mail address with an API token."""

    header: str = field(repr=False)
    variables: str

    async def authorization(self) -> str:
        """Return the header."""
        return self.header

    def accepted(self, authorization: str) -> None:
        """Nothing depends on it."""

    async def refused(self, authorization: str) -> bool:
        """Return False: there is no other header."""
        return False

    async def aclose(self) -> None:
        """Nothing goes on."""


def login_of(settings: Settings) -> Login:
    """Return the login of the settings; raises SettingsError naming the variables when there is none."""
    return static_login_of(settings)


def static_login_of(settings: Settings) -> StaticLogin:
    """Return the login whose header stands in the settings; raises SettingsError when there is none.

    API tokens end on 2027-04-30, so OAuth comes first.
    Source: Zendesk's API reference, "Security and authentication".
    """
    zendesk = settings.zendesk
    if zendesk.oauth_token is not None:
        return StaticLogin(f"Bearer {_secret(zendesk.oauth_token, _OAUTH)}", _OAUTH)
    if zendesk.email is None and zendesk.api_token is None:
        raise SettingsError(f"Zendesk's login is not set: set {_OAUTH}, or {_EMAIL} and {_TOKEN}")
    if zendesk.email is None or zendesk.api_token is None:
        missing, given = (_EMAIL, _TOKEN) if zendesk.email is None else (_TOKEN, _EMAIL)
        raise SettingsError(f"{given} is set but {missing} is not: an API token needs both; or set {_OAUTH}")
    pair = f"{zendesk.email.strip()}/token:{_secret(zendesk.api_token, _TOKEN)}"
    return StaticLogin("Basic " + base64.b64encode(pair.encode()).decode("ascii"), f"{_EMAIL} and {_TOKEN}")


def _secret(value: SecretStr, variable: str) -> str:
    """Return the secret; raises SettingsError, without its value, when no header can carry it."""
    text = value.get_secret_value().strip()
    if not text.isascii() or not text.isprintable():
        raise SettingsError(f"{variable} has characters that no token has: copy it again")
    return text
