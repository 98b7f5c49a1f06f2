"""Whether Zendesk knows the login, and what is left of its quota."""

from __future__ import annotations

from typing import NamedTuple

import httpx

from agents.logins import login_for
from schemas.errors import CredentialsError
from schemas.settings import Settings
from streams.limits import QuotaShare
from streams.retries import RetryPolicy
from streams.sources.zendesk.answers import Heading, read_heading
from streams.sources.zendesk.check import Me, whoami
from streams.sources.zendesk.client import ZendeskClient
from streams.sources.zendesk.transport import PooledTransport


class Login(NamedTuple):
    """Who the login belongs to; ``remaining`` calls of this minute, where Zendesk tells."""

    me: Me
    remaining: int | None


async def check_login(settings: Settings, *, attempts: int = 3, timeout: float = 15.0) -> Login:
    """Ask Zendesk who we are, with one call.

    ``timeout`` is in seconds for an attempt. Raises SettingsError, CredentialsError (also for somebody who
    is no administrator), RefusedError, and UnavailableError or RateLimitedError after the last attempt.
    """
    login = login_for(settings)
    transport = _Listening(settings.zendesk_url)
    client = ZendeskClient(
        settings.zendesk_url,
        login,
        general=QuotaShare.whole(settings.zendesk.requests_per_minute),
        incremental=QuotaShare.whole(settings.zendesk.incremental_requests_per_minute),
        retry=RetryPolicy(attempts=attempts, longest=2.0),
        timeout=timeout,
        transport=transport,
    )
    async with client:
        me = await whoami(client)
    if me.role != "admin":
        # Source: Zendesk's API reference, "Incremental Exports", allowed for admins.
        raise CredentialsError(
            f"Zendesk's login belongs to {me.name}, who is no administrator but {me.role or 'nobody'}; only "
            f"administrators may read the export: set {login.variables} to one's"
        )
    remaining = transport.heading.remaining
    return Login(me, None if remaining is None else int(remaining))


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
