"""Import records, and the commands that start and steer imports."""

from __future__ import annotations

from typing import Literal

import msgspec

from schemas.headers.replays import ReplayFrom
from schemas.stages import EMBED, ENRICH, INDEX, STAGES, Stage

ImportStatus = Literal["running", "completed", "cancelled", "failed"]
CommentsWay = Literal["single", "bulk"]
"""How an import reads comments: ticket by ticket, or all of the account's from its ticket events."""


class ImportSpec(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What to import: the Zendesk export from ``since`` (Unix seconds) on, a file, or a topic once more.

    The last is a replay: of everything, or of what was put on the topic from ``since`` to before
    ``until``, or of some tickets.
    """

    since: int = 0
    file: str = ""
    """Absolute path of an export of tickets, on the machine of whoever runs the command line."""
    replay: ReplayFrom | Literal[""] = ""
    until: int = 0
    """Unix seconds; 0: no end."""
    tickets: list[int] = []
    drop_old: bool = False
    """Whether the collection readers read before is deleted once they have been switched to another."""

    @property
    def is_whole_replay(self) -> bool:
        """Whether this replays all there is, so that what it makes is complete."""
        return bool(self.replay) and not (self.since or self.until or self.tickets)


class ImportCommand(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A command on ``imports.commands``; key is the account, so one worker owns an account's imports.

    ``start``, ``resume`` and ``cancel`` come from people. ``feed`` comes from a command line that
    sends a file's tickets itself: ``cursor`` is the number of the last row Kafka has acknowledged.
    """

    command: Literal["start", "resume", "cancel", "feed"]
    account: str
    import_id: str
    issued_at: float
    spec: ImportSpec | None = None
    cursor: str = ""
    fetched: int = 0
    failed: int = 0
    total: int | None = None
    ended: bool = False


class ImportRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The state of an import, kept in the ``imports`` table.

    ``fetched`` counts messages put on ``tickets.backfill``; ``stages`` holds the newest counts of
    each stage and partition, keyed ``stage/partition``. ``cursor`` is where the source goes on
    after a crash: Zendesk's ``after_cursor`` or the number of a file's row.
    """

    id: str
    account: str
    status: ImportStatus
    spec: ImportSpec
    started_at: float
    updated_at: float
    cursor: str = ""
    source_ended: bool = False
    fetched: int = 0
    unreadable: int = 0
    """Rows or lines of the source that became dead letters before reaching the pipeline."""
    total: int | None = None
    """Tickets foreseen, when the source can tell (a file's rows)."""
    source_calls: int = 0
    comments: CommentsWay | Literal[""] = ""
    """How comments are read; ``""`` until that is chosen, and for imports that read no account."""
    events_from: int = 0
    """The second from which ticket events are still to be read; all before it are on the backfill lane."""
    events: int = 0
    """Ticket events read."""
    stages: dict[str, StageCounts] = {}
    errors: list[str] = []
    switched_from: str = ""
    """The collection readers read until this replay was complete; ``""`` when it switched nothing."""
    switched_to: str = ""

    def _sum(self, stage: Stage, field: str) -> int:
        return sum(getattr(c, field) for key, c in self.stages.items() if key.startswith(f"{stage.name}/"))

    @property
    def enriched(self) -> int:
        """Tickets enrich has sent on."""
        return self._sum(ENRICH, "sent")

    @property
    def embedded(self) -> int:
        """Tickets embed has sent on."""
        return self._sum(EMBED, "sent")

    @property
    def indexed(self) -> int:
        """Tickets written to, removed from or found unchanged in Weaviate."""
        return self._sum(INDEX, "sent")

    @property
    def skipped(self) -> int:
        """Duplicates and stale versions."""
        return sum(self._sum(stage, "skipped") for stage in STAGES)

    @property
    def failed(self) -> int:
        """Dead letters, of the source and of every stage."""
        return self.unreadable + sum(self._sum(stage, "failed") for stage in STAGES)

    @property
    def repeated(self) -> int:
        """Messages that came again after a crash and needed nothing."""
        return sum(self._sum(stage, "repeated") for stage in STAGES)

    @property
    def done(self) -> int:
        """Tickets whose fate is known."""
        return self.indexed + self.skipped + self.failed

    @property
    def vectors_uploaded(self) -> int:
        """Objects written to Weaviate."""
        return self._sum(INDEX, "vectors")

    @property
    def zendesk_calls(self) -> int:
        """Calls of the source and of enrich."""
        return self.source_calls + self._sum(ENRICH, "calls")

    @property
    def embedding_calls(self) -> int:
        """Calls of embed to its provider."""
        return self._sum(EMBED, "calls")


def end_holding(record: ImportRecord) -> None:
    """Note that nothing is held any more for an import that has ended; resumed, it chooses its way anew."""
    record.comments = ""
    record.events_from = 0


def apply_feed(record: ImportRecord, command: ImportCommand) -> None:
    """Note in a record how far the command line that holds its file has fed it.

    Repeats, and commands from before others that were heeded, change nothing.
    """
    if command.fetched + command.failed >= record.fetched + record.unreadable:
        record.cursor = command.cursor
    record.fetched = max(record.fetched, command.fetched)
    record.unreadable = max(record.unreadable, command.failed)
    record.total = command.total if command.total is not None else record.total
    record.source_ended = record.source_ended or command.ended


class StageCounts(msgspec.Struct, kw_only=True, omit_defaults=True):
    """How far one partition of one stage has come with an import; each offset is counted once."""

    through: dict[str, int] = {}
    """For each topic of the stage, the last offset counted."""
    sent: int = 0
    skipped: int = 0
    failed: int = 0
    repeated: int = 0
    vectors: int = 0
    calls: int = 0


class StageProgress(msgspec.Struct, kw_only=True):
    """A partition's counts for an import, on ``imports.progress``; a later one replaces an earlier."""

    account: str
    import_id: str
    stage: str
    partition: int
    counts: StageCounts
