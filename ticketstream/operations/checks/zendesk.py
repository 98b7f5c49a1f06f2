"""Whether Zendesk knows the login, and what is left of its quota."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import NamedTuple, Self

import httpx

from schemas.errors import CredentialsError, RateLimitedError
from schemas.settings.load import Settings
from streams.limits import QuotaShare
from streams.logins.build import login_for
from streams.retries import RetryPolicy
from streams.sources.zendesk.check import Me, whoami
from streams.sources.zendesk.client import ZendeskClient
from streams.sources.zendesk.export import export_page
from streams.sources.zendesk.login import Login, LoginStatus
from streams.sources.zendesk.responses import Heading, read_heading
from streams.sources.zendesk.transport import PooledTransport


class LoggedIn(NamedTuple):
    """Who the login belongs to, how it stands, and the calls left of this minute, where Zendesk tells."""

    me: Me
    status: LoginStatus
    remaining: int | None


class LoginCheck:
    """Asks Zendesk who we are as often as somebody wants to know, with one login and so one access token."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._login: Login | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the login."""
        if self._login is not None:
            await self._login.aclose()

    @property
    def login(self) -> Login:
        """The login of the settings; raises SettingsError when there is none."""
        if self._login is None:
            self._login = login_for(self._settings)
        return self._login

    @property
    def status(self) -> LoginStatus | None:
        """How the login stands; None before anybody has asked."""
        return None if self._login is None else self._login.status()

    async def ask(self, *, attempts: int = 3, timeout: float = 15.0, export: bool = False) -> LoggedIn:
        """Ask with one call, and with ``export`` with a second one whether the export may be read.

        ``timeout`` is in seconds for an attempt. Raises SettingsError, CredentialsError (also for somebody
        who is no administrator), RefusedError, and UnavailableError or RateLimitedError after the last
        attempt.
        """
        settings, login = self._settings, self.login
        transport = _Listening(settings.zendesk_url)
        client = ZendeskClient(
            settings.zendesk_url,
            login,
            general=QuotaShare.whole(settings.zendesk.requests_per_minute),
            incremental=QuotaShare.whole(settings.zendesk.incremental_requests_per_minute),
            retry=RetryPolicy(attempts=attempts, longest=2.0),
            timeout=timeout,
            transport=transport,
            closes_login=False,
        )
        async with client:
            me = await whoami(client)
            remaining = transport.heading.remaining
            if export and me.role == "admin":
                # A scope without tickets lets an administrator know who they are, and nothing more. Who is
                # told to come later may read it: imports and live changes use up its few calls a minute.
                with suppress(RateLimitedError):
                    await export_page(client, start_time=int(time.time()), cursor=None, per_page=1)
        if me.role != "admin":
            # Source: Zendesk's API reference, "Incremental Exports", allowed for admins.
            raise CredentialsError(
                f"Zendesk's login belongs to {me.name}, who is no administrator but {me.role or 'nobody'}; "
                f"only administrators may read the export: set {login.variables} to one's"
            )
        return LoggedIn(me, login.status(), None if remaining is None else int(remaining))


async def check_login(
    settings: Settings, *, attempts: int = 3, timeout: float = 15.0, export: bool = False
) -> LoggedIn:
    """Ask once; see LoginCheck."""
    async with LoginCheck(settings) as check:
        return await check.ask(attempts=attempts, timeout=timeout, export=export)


class _Listening(httpx.AsyncBaseTransport):
    """Keeps the limit headers of the last answer."""

    def __init__(self, base_url: str) -> None:
        self.heading = Heading()
        self._inner = PooledTransport(base_url, 1)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        self.heading = read_heading(response.headers.raw)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()
