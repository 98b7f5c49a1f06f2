"""The imports, with their pace."""

from __future__ import annotations

from typing import Any

from ticketstream.operations.imports.known import ImportBook, KnownImport
from ticketstream.operations.imports.summary import Pace, done_of, import_fields, total_of
from ticketstream.operations.imports.waits import Waits


class Imports:
    """All imports of the account's Kafka; the pace of those that run."""

    def __init__(self) -> None:
        self._book = ImportBook()
        self._paces: dict[str, Pace] = {}
        self._known: dict[str, KnownImport] = {}
        self._changed = True

    def add(self, raw: Any) -> None:
        """Take in a message of the imports' changelog or of their commands."""
        self._book.add(raw)
        self._changed = True

    def look(self, now: float) -> None:
        """Note how far the running ones are (seconds of a steady clock)."""
        if self._changed:
            self._known = {known.record.id: known for known in self._book.imports()}
            self._changed = False
        running = {known.record.id: known for known in self.running}
        self._paces = {name: self._paces.get(name) or Pace() for name in running}
        for name, known in running.items():
            self._paces[name].add(now, done_of(known.record))

    @property
    def running(self) -> list[KnownImport]:
        """The imports that have not ended, newest first."""
        return [known for known in self._known.values() if known.record.status == "running"]

    def get(self, import_id: str) -> KnownImport | None:
        """Return one import."""
        return self._known.get(import_id)

    def document(self, known: KnownImport, waits: Waits) -> dict[str, Any]:
        """Return an import as the HTTP API shows it."""
        return import_document(known, waits.of(known.record), self._paces.get(known.record.id))


def import_document(known: KnownImport, paused: str | None, pace: Pace | None) -> dict[str, Any]:
    """Return the document of ``imports show --json`` with what is done, the rate and the time left."""
    record = known.record
    total = total_of(record)
    running = record.status == "running" and not known.waiting
    rate = pace.rate if pace is not None and running else None
    # While it cannot go on, the pace of before tells nothing of the time that is left.
    left = pace.left(total) if pace is not None and running and paused is None else None
    return import_fields(known, paused) | {
        "done": done_of(record),
        "total": total,
        "rate": None if rate is None else round(max(0.0, rate), 3),
        "seconds_left": None if left is None else round(left, 1),
    }
