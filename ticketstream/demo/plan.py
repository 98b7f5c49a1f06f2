"""What the demo runs with, and in which ways it is kinder than a real Zendesk."""

from __future__ import annotations

from typing import Any, Final

from schemas.settings.load import Settings
from ticketstream.demo.isolated import isolated_settings
from ticketstream.local.stack.options import StackOptions

WORKERS: Final = 2
FOLDER: Final = "demo"
"""The demo's own data directory below the user's, so that it never meets the user's stack."""

GENERAL_PER_MINUTE: Final = 2_500
"""Zendesk's limit with the High Volume API add-on (developer.zendesk.com, "Rate limits")."""
EXPORT_PER_MINUTE: Final = 60
"""Zendesk allows 10, or 30 with the add-on: too few to look every second."""
EXPORT_DELAY_SECONDS: Final = 1.0
"""Zendesk's export holds back the last 60 s."""
EMBEDDING_REQUESTS_PER_MINUTE: Final = 3_000
EMBEDDING_TOKENS_PER_MINUTE: Final = 1_000_000
"""About what Gemini allows in its first paid tier."""

TIME_SCALE: Final = 2.0
"""The minutes of the quotas pass so much faster than real ones."""

FASTER_QUOTAS: Final = (
    f"A minute of the quotas is {60 / TIME_SCALE:.0f} s here: {GENERAL_PER_MINUTE:,} Zendesk calls "
    f"(as with the High Volume add-on), {EMBEDDING_REQUESTS_PER_MINUTE:,} Gemini calls, "
    f"{EMBEDDING_TOKENS_PER_MINUTE:,} tokens."
)
FASTER_EXPORT: Final = (
    f"The sample shows a change after {EXPORT_DELAY_SECONDS:.0f} s and lets the export be read every second. "
    "A real Zendesk holds back the last 60 s and allows 10 to 30 looks a minute: by polling, no real account "
    "is fresher than 60 s."
)


def stack_options(tickets: int) -> StackOptions:
    """Return the options of the demo's stack: the limits above, in minutes that pass faster."""
    return StackOptions(
        sample=True,
        tickets=tickets,
        sample_requests_per_minute=GENERAL_PER_MINUTE,
        sample_incremental_requests_per_minute=EXPORT_PER_MINUTE,
        sample_time_scale=TIME_SCALE,
        sample_export_delay=EXPORT_DELAY_SECONDS,
        sample_embedding_requests_per_minute=EMBEDDING_REQUESTS_PER_MINUTE,
        sample_embedding_tokens_per_minute=EMBEDDING_TOKENS_PER_MINUTE,
    )


def given_settings() -> Settings:
    """Return settings that name no service of the user's, and embeddings from the sample Gemini."""
    embedding: dict[str, Any] = {"provider": "gemini"}
    return isolated_settings(embedding=embedding)


def import_seconds(tickets: int) -> float:
    """Return how long an import may take before something must be wrong: five times what the quota needs."""
    return 120 + 5 * tickets * 60 / GENERAL_PER_MINUTE
