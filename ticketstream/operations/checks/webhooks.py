"""Whether webhooks can be received."""

from __future__ import annotations

from schemas.settings.load import PREFIX, Settings
from streams.sources.zendesk.signature import TEST_SECRET
from ticketstream.operations.checks.finding import Finding


def check_webhooks(settings: Settings) -> list[Finding]:
    """Say whether the signing secret is set. Doing without webhooks is no fault: the export has it all."""
    secret = settings.zendesk.webhook_secret
    if secret is not None and secret.get_secret_value().encode() == TEST_SECRET:
        return [
            Finding(
                "webhooks",
                "warn",
                "the signing secret is Zendesk's published test secret: anybody can sign with it",
                f"save the webhook in Zendesk and set {PREFIX}ZENDESK__WEBHOOK_SECRET to what it shows then",
            )
        ]
    if secret is None:
        told = f"none: changes come with the export, a minute later (no {PREFIX}ZENDESK__WEBHOOK_SECRET)"
    else:
        told = "the signing secret is set: `ticketstream serve` can receive them"
    return [Finding("webhooks", "ok", told)]
