"""Whether Zendesk knows the login, and what is left of its quota."""

from __future__ import annotations

from typing import NamedTuple

from schemas.errors import CredentialsError
from schemas.settings import Settings
from streams.limits import QuotaShare
from streams.retries import RetryPolicy
from streams.sources.zendesk.auth import login_of
from streams.sources.zendesk.check import Me, whoami
from streams.sources.zendesk.client import ZendeskClient


class Login(NamedTuple):
    """Who the login belongs to; ``remaining`` calls of this minute, where Zendesk tells."""

    me: Me
    remaining: int | None


async def check_login(settings: Settings, *, attempts: int = 3, timeout: float = 15.0) -> Login:
    """Ask Zendesk who we are, with one call.

    ``timeout`` is in seconds for an attempt. Raises SettingsError, CredentialsError (also for somebody who
    is no administrator), RefusedError, and UnavailableError or RateLimitedError after the last attempt.
    """
    login = login_of(settings)
    general = _Told(settings.zendesk.requests_per_minute, partitions=1)
    general.own(1)
    client = ZendeskClient(
        settings.zendesk_url,
        login,
        general=general,
        incremental=QuotaShare.whole(settings.zendesk.incremental_requests_per_minute),
        retry=RetryPolicy(attempts=attempts, longest=2.0),
        timeout=timeout,
    )
    async with client:
        me = await whoami(client)
    if me.role != "admin":
        # Source: Zendesk's API reference, "Incremental Exports", allowed for admins.
        raise CredentialsError(
            f"Zendesk's login belongs to {me.name}, who is no administrator but {me.role or 'nobody'}; only "
            f"administrators may read the export: set {login.variables} to one's"
        )
    return Login(me, None if general.left is None else int(general.left))


class _Told(QuotaShare):
    """A limit that remembers what Zendesk said is left of it; None when it said nothing."""

    left: float | None = None

    def observe(self, remaining: float, reset_seconds: float) -> None:
        """Note it."""
        self.left = remaining
        super().observe(remaining, reset_seconds)
