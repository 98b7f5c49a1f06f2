"""An import record in the words of people and scripts."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from typing import Any

from schemas.headers.replays import REPLAYED_TOPIC
from schemas.messages.imports import ImportRecord
from schemas.stages import STAGE_NAMES
from ticketstream.operations.imports.known import KnownImport


def total_of(record: ImportRecord) -> int | None:
    """Return how many tickets the import has, None while only its source knows."""
    if record.total is not None:
        return record.total
    return record.fetched + record.unreadable if record.source_ended else None


def done_of(record: ImportRecord) -> int:
    """Return the tickets whose fate is known; what was sent twice after a crash counts once."""
    return min(record.done, total_of(record) or record.fetched + record.unreadable)


def passed(record: ImportRecord, stage: str) -> int:
    """Return the tickets that are through with a stage, whether it sent them on, or they ended before."""
    ended = record.unreadable
    for name in STAGE_NAMES:
        counts = [c for key, c in record.stages.items() if key.startswith(f"{name}/")]
        ended += sum(c.skipped + c.failed for c in counts)
        if name == stage:
            return ended + sum(c.sent for c in counts)
    raise ValueError(f"no stage {stage!r}")


def status_of(known: KnownImport) -> str:
    """Return the status, ``waiting`` where no worker has taken the import up yet."""
    return "waiting" if known.waiting and known.record.status == "running" else known.record.status


def is_success(record: ImportRecord) -> bool:
    """Return whether all that was asked is done."""
    return record.status == "completed" and record.failed == 0


def moment(seconds: float | None) -> str | None:
    """Return Unix seconds as ISO 8601 in UTC, to the second."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def import_fields(known: KnownImport, paused: str | None = None) -> dict[str, Any]:
    """Return the record as one flat document of plain values; ``paused`` says why it cannot go on."""
    record = known.record
    return {
        "id": record.id,
        "account": record.account,
        "status": status_of(known),
        "paused": paused if record.status == "running" else None,
        "source": _source_of(record),
        "file": record.spec.file or None,
        "since": moment(record.spec.since) if record.spec.since else None,
        "until": moment(record.spec.until) if record.spec.until else None,
        "tickets": list(record.spec.tickets) or None,
        "tickets_done": done_of(record),
        "tickets_total": total_of(record),
        "comments": record.comments or None,
        "events": record.events,
        "fetched": record.fetched,
        "enriched": record.enriched,
        "embedded": record.embedded,
        "indexed": record.indexed,
        "skipped": record.skipped,
        "failed": record.failed,
        "vectors_uploaded": record.vectors_uploaded,
        "api_calls": {"zendesk": record.zendesk_calls, "embedding": record.embedding_calls},
        "started_at": moment(record.started_at),
        "updated_at": moment(record.updated_at),
        "switched_from": record.switched_from or None,
        "switched_to": record.switched_to or None,
        "errors": list(record.errors),
    }


def events_words(record: ImportRecord) -> str:
    """Return how far the ticket events have been read; "" where none are."""
    if not record.events:
        return ""
    through = moment(record.events_from) or ""
    return f"{record.events:,} ticket events read" + (f", to {through[:10]}" if record.events_from else "")


def kind_of(record: ImportRecord) -> str:
    """Return what a person calls it: ``replay`` or ``import``."""
    return "replay" if record.spec.replay else "import"


def _source_of(record: ImportRecord) -> str:
    if record.spec.replay:
        return REPLAYED_TOPIC[record.spec.replay]
    return "file" if record.spec.file else "zendesk"


def duration(seconds: float) -> str:
    """Return a span for people: ``8 s``, ``3 min 20 s``, ``2 h 5 min``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class Pace:
    """Tickets a second over the last half minute, and the time that is left at this rate."""

    def __init__(self, window: float = 30.0) -> None:
        self._window = window
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, now: float, done: int) -> None:
        """Note how many were done at a moment (seconds of any steady clock)."""
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[1][0] >= self._window:
            self._seen.popleft()

    @property
    def rate(self) -> float | None:
        """Tickets a second; None before there is anything to tell it from."""
        if len(self._seen) < 2:
            return None
        (began, before), (now, done) = self._seen[0], self._seen[-1]
        return (done - before) / (now - began) if now > began else None

    def left(self, total: int | None) -> float | None:
        """Seconds until ``total`` are done; None when nobody can tell."""
        rate = self.rate
        if total is None or not rate or rate <= 0:
            return None
        return max(0, total - self._seen[-1][1]) / rate
