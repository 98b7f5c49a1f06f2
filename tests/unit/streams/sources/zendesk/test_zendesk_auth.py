"""The login made from settings, and what a person reads when there is none."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from schemas.errors import SettingsError
from schemas.settings.load import Settings
from schemas.settings.zendesk import ZendeskSettings
from streams.secrets import kept_secrets
from streams.sources.zendesk.auth import API_TOKENS_END, login_of, static_login_of
from streams.sources.zendesk.client_login import ClientLogin

ZENDESK = "TICKETSTREAM_ZENDESK__"
ID, SECRET = f"{ZENDESK}OAUTH_CLIENT_ID", f"{ZENDESK}OAUTH_CLIENT_SECRET"
OAUTH, EMAIL, TOKEN = f"{ZENDESK}OAUTH_TOKEN", f"{ZENDESK}EMAIL", f"{ZENDESK}API_TOKEN"
CLIENT = {"oauth_client_id": "client-1", "oauth_client_secret": "secret-1"}


def settings(**given: Any) -> Settings:
    return Settings(zendesk=ZendeskSettings.model_validate({"subdomain": "acme", **given}))


def test_an_oauth_client_comes_first() -> None:
    given = settings(**CLIENT, oauth_token="oauth-1", email="a@example.org", api_token="token-1")
    login = login_of(given)
    assert isinstance(login, ClientLogin)
    assert login.variables == f"{ID} and {SECRET}"
    status = login.status()
    assert (status.grant, status.scope, status.token_ends) == ("client_credentials", "read", None)


def test_an_oauth_token_comes_before_an_api_token() -> None:
    given = settings(oauth_token="oauth-1", email="a@example.org", api_token="token-1")
    login = static_login_of(given)
    assert login_of(given) == login
    assert login.header == "Bearer oauth-1" and login.variables == OAUTH
    assert login.status().grant == "oauth_token" and login.status().ends is None


def test_an_api_token_goes_with_its_address_and_ends() -> None:
    login = static_login_of(settings(email="ä@example.org", api_token=" token-1\n"))
    assert login.header.startswith("Basic ")
    pair = login.header.removeprefix("Basic ")
    assert base64.b64decode(pair).decode() == "ä@example.org/token:token-1"
    assert login.variables == f"{EMAIL} and {TOKEN}"
    assert login.status().grant == "api_token"
    assert login.status().ends == API_TOKENS_END.timestamp() == 1_809_043_200
    assert pair in kept_secrets(), "it is the token, in another alphabet"


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({}, [ID, SECRET]),
        ({"oauth_client_id": "client-1"}, [ID, f"{SECRET} is not"]),
        ({"oauth_client_secret": "token-1"}, [SECRET, f"{ID} is not"]),
        ({"oauth_client_id": "client-1", "oauth_token": "oauth-1"}, [f"{SECRET} is not"]),
        (CLIENT | {"oauth_client_secret": "to ken\nwith line"}, [SECRET]),
        (CLIENT | {"oauth_client_id": "kän"}, [ID]),
        ({"email": "a@example.org"}, [f"{TOKEN} is not", ID]),
        ({"api_token": "token-1"}, [f"{EMAIL} is not"]),
    ],
)
def test_what_is_missing_or_wrong_is_named_without_its_value(given: dict[str, str], names: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        login_of(settings(**given))
    line = str(caught.value)
    assert all(name in line for name in names)
    assert "token-1" not in line and "ken" not in line.replace("token", "") and "\n" not in line


@pytest.mark.parametrize(
    "scope", ["read", "  ", '"read"', "tickets:read users:read", " tickets:read,  users:read\n"]
)
def test_scopes_are_words(scope: str) -> None:
    found = login_of(settings(**CLIENT, oauth_scope=scope)).status().scope
    assert found in ("read", "tickets:read users:read")


@pytest.mark.parametrize("scope", ["tickets: read", "READ", "read;write"])
def test_what_is_no_scope_is_refused(scope: str) -> None:
    with pytest.raises(ValueError, match="oauth_scope"):
        settings(**CLIENT, oauth_scope=scope)


async def test_a_login_that_cannot_change_says_so_and_is_well_again_when_it_is_let_in() -> None:
    login = static_login_of(settings(oauth_token="oauth-1"))
    assert not await login.refused(await login.authorization())
    assert OAUTH in (login.status().refused or "") and login.status().refusals == 1
    login.accepted("Bearer oauth-1")
    assert login.status().refused is None


def test_the_login_does_not_show_itself() -> None:
    assert "oauth-1" not in repr(login_of(settings(oauth_token="oauth-1")))
    assert "secret-1" not in repr(login_of(settings(**CLIENT)))
