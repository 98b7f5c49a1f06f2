"""The login: an OAuth token, or else an e-mail address with an API token."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from pydantic import SecretStr

from schemas.errors import SettingsError
from schemas.settings import PREFIX, Settings

_OAUTH = f"{PREFIX}ZENDESK__OAUTH_TOKEN"
_EMAIL = f"{PREFIX}ZENDESK__EMAIL"
_TOKEN = f"{PREFIX}ZENDESK__API_TOKEN"


@dataclass(frozen=True, slots=True)
class Login:
    """The value of the ``Authorization`` header, and the variables it was made from."""

    authorization: str = field(repr=False)
    variables: str


def login_of(settings: Settings) -> Login:
    """Return the login of the settings; raises SettingsError naming the variables when there is none.

    API tokens end on 2027-04-30, so OAuth comes first.
    Source: Zendesk's API reference, "Security and authentication".
    """
    zendesk = settings.zendesk
    if zendesk.oauth_token is not None:
        return Login(f"Bearer {_secret(zendesk.oauth_token, _OAUTH)}", _OAUTH)
    if zendesk.email is None and zendesk.api_token is None:
        raise SettingsError(f"Zendesk's login is not set: set {_OAUTH}, or {_EMAIL} and {_TOKEN}")
    if zendesk.email is None or zendesk.api_token is None:
        missing, given = (_EMAIL, _TOKEN) if zendesk.email is None else (_TOKEN, _EMAIL)
        raise SettingsError(f"{given} is set but {missing} is not: an API token needs both; or set {_OAUTH}")
    pair = f"{zendesk.email.strip()}/token:{_secret(zendesk.api_token, _TOKEN)}"
    return Login("Basic " + base64.b64encode(pair.encode()).decode("ascii"), f"{_EMAIL} and {_TOKEN}")


def _secret(value: SecretStr, variable: str) -> str:
    """Return the secret; raises SettingsError, without its value, when no header can carry it."""
    text = value.get_secret_value().strip()
    if not text.isascii() or not text.isprintable():
        raise SettingsError(f"{variable} has characters that no token has: copy it again")
    return text
