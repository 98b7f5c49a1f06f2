"""Whether webhooks can be received."""

from __future__ import annotations

from schemas.settings import PREFIX, Settings
from ticketstream.checks.finding import Finding


def check_webhooks(settings: Settings) -> list[Finding]:
    """Say whether the signing secret is set. Doing without webhooks is no fault: the export has it all."""
    if settings.zendesk.webhook_secret is None:
        told = f"none: changes come with the export, a minute later (no {PREFIX}ZENDESK__WEBHOOK_SECRET)"
    else:
        told = "the signing secret is set: `ticketstream serve` can receive them"
    return [Finding("webhooks", "ok", told)]
