"""What the parts of a worker have counted. This one counts nothing; see agents.measuring.worker_meter."""

from __future__ import annotations


class Meter:
    """Told of what happens, by whoever sees it."""

    def live_page(self, sent: int, unreadable: int) -> None:
        """Count a page of the export that the live source has passed on: messages, and dead letters of it."""

    def import_page(self, sent: int, unreadable: int) -> None:
        """Count a page of the export that an import has passed on: messages, and dead letters of it."""

    def import_ended(self, status: str) -> None:
        """Count an import that ended so."""

    def unreadable_command(self, error: str) -> None:
        """Count a message for imports that became a dead letter, by the name of its error."""

    def retried(self, stage: str) -> None:
        """Count an attempt that is made once more."""
