"""From a page in Zendesk to a stored pair: authorization code with PKCE.

Sources: Zendesk help, "Using OAuth authentication with your application"; developer.zendesk.com, "Using PKCE
to make Zendesk OAuth access tokens more secure".
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlencode

from schemas.errors import CredentialsError, TicketstreamError, UserError
from schemas.logins import LoginPair
from schemas.settings.load import PREFIX, Settings
from streams.logins.stored import KEY_FILE, stored_login_of
from streams.secrets import keep_secret
from streams.sources.zendesk.tokens import GrantRefusedError
from ticketstream.operations.checks.zendesk import check_login
from ticketstream.operations.login.callback import Callback
from ticketstream.operations.progress import LineHook

_AUTHORIZE: Final = "/oauth/authorizations/new"


class LoggedIn(NamedTuple):
    """What was done; ``user`` is None where Zendesk did not tell, and ``problem`` says why.

    ``key_file`` is where the key of the stored login lies, for a client without a secret.
    """

    account: str
    client_id: str
    scope: str
    redirect_url: str
    user: str | None
    role: str | None
    problem: str | None
    pair: LoginPair
    key_file: Path | None


async def log_in(
    settings: Settings,
    *,
    port: int,
    browser: bool,
    timeout: float,
    asks: Callable[[str, str], None],
    say: LineHook,
) -> LoggedIn:
    """Have a person log in, and store the pair; ``asks`` is given the page to open and the redirect URL.

    Raises SettingsError, UserError, CredentialsError and UnavailableError.
    """
    stored = stored_login_of(settings)
    # Before anybody is asked: a pair that cannot be stored is of no use.
    await stored.view.open()
    try:
        await stored.renewer.bring_pending()
        verifier, state = secrets.token_urlsafe(64), secrets.token_urlsafe(32)
        keep_secret(verifier)
        async with Callback(port, state) as callback:
            page = authorize_url(settings, stored.client_id, callback.url, state, verifier)
            asks(page, callback.url)
            if browser and not await asyncio.to_thread(webbrowser.open, page):
                say("No browser could be opened here: open the page yourself.")
            code = await callback.code(timeout)
            redirect = callback.url
        try:
            granted = await stored.endpoint.first(
                code, redirect_uri=redirect, verifier=verifier, scope=settings.zendesk.oauth_scope
            )
            if settings.zendesk.oauth_client_secret is None and granted.refresh_token is not None:
                # PKCE stands for a secret here, but not in a renewal: better to know that now.
                granted = await stored.endpoint.renewed(granted.refresh_token)
        except GrantRefusedError as error:
            raise UserError(
                f"Zendesk does not take the code ({error}); it is good for one use within 120 s: run "
                "`ticketstream login` again"
            ) from None
        except CredentialsError as error:
            raise CredentialsError(_with_hint(str(error), settings)) from None
        pair = await stored.begin(granted)
    finally:
        await stored.view.aclose()
    user, role, problem = await _who(settings)
    public = settings.zendesk.oauth_client_secret is None
    return LoggedIn(
        account=settings.account,
        client_id=stored.client_id,
        scope=settings.zendesk.oauth_scope,
        redirect_url=redirect,
        user=user,
        role=role,
        problem=problem,
        pair=pair,
        key_file=settings.data_dir.expanduser() / KEY_FILE if public else None,
    )


def authorize_url(settings: Settings, client_id: str, redirect: str, state: str, verifier: str) -> str:
    """Return the page on which a person lets the client in."""
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    asked = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect,
        "scope": settings.zendesk.oauth_scope,
        "state": state,
        "code_challenge": base64.urlsafe_b64encode(digest).decode("ascii").rstrip("="),
        "code_challenge_method": "S256",
    }
    return f"{settings.zendesk_url}{_AUTHORIZE}?{urlencode(asked)}"


def _with_hint(said: str, settings: Settings) -> str:
    if settings.zendesk.oauth_client_secret is not None:
        return said
    return f"{said}; a confidential client needs {PREFIX}ZENDESK__OAUTH_CLIENT_SECRET here too"


async def _who(settings: Settings) -> tuple[str | None, str | None, str | None]:
    """Return name and role of who has logged in, or what is wrong with them."""
    try:
        me = (await check_login(settings)).me
    except TicketstreamError as error:
        return None, None, str(error)
    return me.name, me.role, None
