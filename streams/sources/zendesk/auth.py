"""The login of the settings: an OAuth client, an OAuth access token, or an API token."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Final

from pydantic import SecretStr

from schemas.errors import SettingsError
from schemas.settings.load import PREFIX, Settings
from streams.sources.zendesk.client_login import ClientLogin
from streams.sources.zendesk.login import Login, StaticLogin
from streams.sources.zendesk.tokens import ClientCredentials

CLIENT_ID: Final = f"{PREFIX}ZENDESK__OAUTH_CLIENT_ID"
CLIENT_SECRET: Final = f"{PREFIX}ZENDESK__OAUTH_CLIENT_SECRET"
SCOPE: Final = f"{PREFIX}ZENDESK__OAUTH_SCOPE"
OAUTH_TOKEN: Final = f"{PREFIX}ZENDESK__OAUTH_TOKEN"
EMAIL: Final = f"{PREFIX}ZENDESK__EMAIL"
API_TOKEN: Final = f"{PREFIX}ZENDESK__API_TOKEN"
API_TOKENS_END: Final = datetime(2027, 4, 30, tzinfo=UTC)
"""Source: developer.zendesk.com, "Migrating from API tokens to OAuth access tokens"."""


def login_of(settings: Settings) -> Login:
    """Return the login of the settings; raises SettingsError naming the variables when there is none.

    An OAuth client comes first, then an OAuth access token, then an API token: the last two end.
    """
    zendesk = settings.zendesk
    if zendesk.oauth_client_id is None and zendesk.oauth_client_secret is None:
        return static_login_of(settings)
    if zendesk.oauth_client_id is None or zendesk.oauth_client_secret is None:
        missing, given = (
            (CLIENT_ID, CLIENT_SECRET) if zendesk.oauth_client_id is None else (CLIENT_SECRET, CLIENT_ID)
        )
        raise SettingsError(f"{given} is set but {missing} is not: an OAuth client needs both")
    ask = ClientCredentials(
        settings.zendesk_url,
        _sendable(zendesk.oauth_client_id, CLIENT_ID),
        _secret(zendesk.oauth_client_secret, CLIENT_SECRET),
        zendesk.oauth_scope,
    ).ask
    return ClientLogin(ask, variables=f"{CLIENT_ID} and {CLIENT_SECRET}", scope=zendesk.oauth_scope)


def static_login_of(settings: Settings) -> StaticLogin:
    """Return the login whose header stands in the settings; raises SettingsError when there is none."""
    zendesk = settings.zendesk
    if zendesk.oauth_token is not None:
        return StaticLogin(f"Bearer {_secret(zendesk.oauth_token, OAUTH_TOKEN)}", OAUTH_TOKEN)
    if zendesk.email is None and zendesk.api_token is None:
        raise SettingsError(f"Zendesk's login is not set: set {CLIENT_ID} and {CLIENT_SECRET}")
    if zendesk.email is None or zendesk.api_token is None:
        missing, given = (EMAIL, API_TOKEN) if zendesk.email is None else (API_TOKEN, EMAIL)
        raise SettingsError(
            f"{given} is set but {missing} is not: an API token needs both; or set {CLIENT_ID} and "
            f"{CLIENT_SECRET}"
        )
    pair = f"{zendesk.email.strip()}/token:{_secret(zendesk.api_token, API_TOKEN)}"
    header = "Basic " + base64.b64encode(pair.encode()).decode("ascii")
    return StaticLogin(header, f"{EMAIL} and {API_TOKEN}", "api_token", API_TOKENS_END.timestamp())


def _secret(value: SecretStr, variable: str) -> str:
    return _sendable(value.get_secret_value(), variable)


def _sendable(value: str, variable: str) -> str:
    """Return the value; raises SettingsError, without its value, when no header can carry it."""
    text = value.strip()
    if not text or not text.isascii() or not text.isprintable():
        raise SettingsError(f"{variable} has characters that no token has: copy it again")
    return text
