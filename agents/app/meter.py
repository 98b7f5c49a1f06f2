"""The events of a worker that are counted, as calls; agents.measuring.worker_meter counts them."""

from __future__ import annotations


class Meter:
    """Called by the parts of a worker when something happens; this class counts nothing."""

    def live_page(self, sent: int, unreadable: int) -> None:
        """Count a page of the export that the live source has passed on: messages, and dead letters of it."""

    def import_page(self, sent: int, unreadable: int) -> None:
        """Count a page of the export that an import has passed on: messages, and dead letters of it."""

    def import_ended(self, status: str) -> None:
        """Count an import that ended, by its status."""

    def unreadable_command(self, error: str) -> None:
        """Count a message for imports that became a dead letter, by the name of its error."""

    def retried(self, stage: str) -> None:
        """Count an attempt that is made once more."""
