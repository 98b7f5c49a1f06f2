"""The topics of the pipeline. These names are promised to users."""

from __future__ import annotations

from typing import Final

CHANGES: Final = "tickets.changes"
BACKFILL: Final = "tickets.backfill"
ENRICHED: Final = "tickets.enriched"
EMBEDDED: Final = "tickets.embedded"
INDEXED: Final = "tickets.indexed"
DEAD_LETTERS: Final = "tickets.dead-letters"
IMPORT_COMMANDS: Final = "imports.commands"
IMPORT_PROGRESS: Final = "imports.progress"
RECONCILE_REPORTS: Final = "reconcile.reports"
WORKER_STATES: Final = "workers.states"
LOGINS: Final = "zendesk.logins"
"""No topic of the pipeline: it has one partition, whatever the pipeline has."""

COMPACTED: Final = frozenset({ENRICHED, EMBEDDED})
"""Topics that hold the newest state of each ticket for ever."""

PIPELINE: Final = (
    CHANGES,
    BACKFILL,
    ENRICHED,
    EMBEDDED,
    INDEXED,
    DEAD_LETTERS,
    IMPORT_COMMANDS,
    IMPORT_PROGRESS,
    RECONCILE_REPORTS,
    WORKER_STATES,
)
"""Every topic of the pipeline; all have the same number of partitions."""

APP_ID: Final = "ticketstream"
"""The consumer group, and the prefix of the tables' changelogs."""


def changelog_topic(table: str) -> str:
    """Return the compacted topic behind a table."""
    return f"{APP_ID}-{table}-changelog"
