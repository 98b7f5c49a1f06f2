"""The client of the account the workers follow."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from agents.app.part import Part
from agents.engine.refused_logins import AGAIN_SECONDS
from agents.services.engines import RESTING
from agents.services.ground import Ground
from agents.services.quotas import Quotas
from schemas.errors import SettingsError
from schemas.stages import ENRICH
from streams.logins.build import login_for
from streams.sources.zendesk.client import ZendeskClient
from streams.sources.zendesk.exchange import Endpoint


def zendesk_client(ground: Ground, quotas: Quotas, answered: Callable[[int], None]) -> ZendeskClient | None:
    """Return the account's client; None where no account is set or its login is missing.

    Files can be imported without an account to ask. ``answered`` is told the status of each call (0: none).
    """
    settings = ground.settings
    if settings.zendesk.subdomain is None:
        return None
    try:
        login = login_for(settings)
    except SettingsError as error:
        structlog.get_logger().warning(
            "no Zendesk login: live changes are not followed, comments come from files only", reason=error
        )
        return None
    services = ground.metrics.services
    ground.metrics.login.show(login)

    def on_call(endpoint: Endpoint, status: int, seconds: float) -> None:
        services.zendesk_called(status, seconds)
        answered(status)
        ground.calls.zendesk(endpoint, status, seconds)

    return ZendeskClient(
        settings.zendesk_url,
        login,
        general=quotas.general,
        incremental=quotas.incremental,
        retry=RESTING,
        on_call=on_call,
        # Shorter than the pause between a message's attempts, so that its next call is let through.
        refused_seconds=AGAIN_SECONDS * 0.8,
        on_retry=lambda *_: ground.meter.retried(ENRICH.name),
    )


class ZendeskPart(Part):
    """Closes the client at the end."""

    def __init__(self, client: ZendeskClient) -> None:
        self._client = client

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()
