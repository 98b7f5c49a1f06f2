"""The login made from settings, and what a person reads when there is none."""

from __future__ import annotations

import base64

import pytest
from pydantic import SecretStr

from schemas.errors import SettingsError
from schemas.settings import Settings, ZendeskSettings
from streams.sources.zendesk.auth import static_login_of

OAUTH = "TICKETSTREAM_ZENDESK__OAUTH_TOKEN"
EMAIL = "TICKETSTREAM_ZENDESK__EMAIL"
TOKEN = "TICKETSTREAM_ZENDESK__API_TOKEN"


def settings(oauth: str | None = None, email: str | None = None, token: str | None = None) -> Settings:
    zendesk = ZendeskSettings(
        oauth_token=None if oauth is None else SecretStr(oauth),
        email=email,
        api_token=None if token is None else SecretStr(token),
    )
    return Settings(zendesk=zendesk)


def test_oauth_comes_first() -> None:
    login = static_login_of(settings("oauth-1", "a@example.org", "token-1"))
    assert login.header == "Bearer oauth-1" and login.variables == OAUTH


def test_an_api_token_goes_with_its_address() -> None:
    login = static_login_of(settings(email="ä@example.org", token=" token-1\n"))
    assert login.header.startswith("Basic ")
    pair = base64.b64decode(login.header.removeprefix("Basic ")).decode()
    assert pair == "ä@example.org/token:token-1"
    assert login.variables == f"{EMAIL} and {TOKEN}"


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (settings(), [OAUTH, EMAIL, TOKEN]),
        (settings(email="a@example.org"), [TOKEN]),
        (settings(token="token-1"), [EMAIL]),
        (settings(oauth="to ken\nwith line"), [OAUTH]),
        (settings(oauth="tökén"), [OAUTH]),
    ],
)
def test_what_is_missing_or_wrong_is_named_without_its_value(given: Settings, names: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        static_login_of(given)
    line = str(caught.value)
    assert all(name in line for name in names)
    assert "token-1" not in line and "ken" not in line.replace("token", "") and "\n" not in line


def test_the_login_does_not_show_itself() -> None:
    assert "oauth-1" not in repr(static_login_of(settings("oauth-1")))
