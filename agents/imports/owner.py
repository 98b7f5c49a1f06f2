"""Imports: a keyed, stateful stream of commands and progress, owned by the account's partition.

The owner keeps each record in the table ``imports`` and runs the imports that read Zendesk's
export; when it dies, the partition's next owner goes on from the record's cursor.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any

import structlog

from agents.app.meter import Meter
from agents.app.part import Part
from agents.app.tables import Tables
from agents.engine.misplaced import home_record
from agents.imports.progress import is_older
from schemas.errors import PermanentError
from schemas.messages.imports import ImportCommand, ImportRecord, StageProgress, apply_feed, end_holding
from schemas.topics import IMPORT_COMMANDS
from streams.kafka.dead_letters import dead_letter, dead_letter_record, log_dead_letter
from streams.kafka.messages import Record, incoming
from streams.kafka.producer import Producer
from streams.retries import retrying

Save = Callable[[], Awaitable[None]]
"""Writes an import's record to its table."""

Running = Callable[[], list[ImportRecord]]
"""Returns the records of the imports that run."""
Run = Callable[[ImportRecord, Save, Running], Coroutine[Any, Any, None]]

_FLUSH_SECONDS = 0.3
TABLE = "imports"


class ImportOwner(Part):
    """The import records of this worker's partitions, and the tasks that run the imports.

    ``run`` runs an import; it is given the record, a function that saves it, and one that returns the records
    of all running imports. ``on_cancel`` is given the record of a cancelled import and those of the imports
    that still run; it returns records to be sent once the cancelled import's task has ended.
    """

    def __init__(
        self,
        tables: Tables,
        producer: Producer,
        run: Run,
        *,
        partitions: int,
        on_cancel: Callable[[ImportRecord, Sequence[ImportRecord]], Sequence[Record]],
        meter: Meter,
    ) -> None:
        self._tables = tables
        self._producer = producer
        self._run = run
        self._on_cancel = on_cancel
        self._partitions = partitions
        self._meter = meter
        self._records: dict[str, ImportRecord] = {}
        self._homes: dict[str, int] = {}
        self._changed: set[str] = set()
        self._unacknowledged: list[Any] = []
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._cancelled: list[tuple[asyncio.Task[None] | None, ImportRecord]] = []
        self._saving = asyncio.Lock()
        self._under_way: asyncio.Task[None] | None = None

    def running(self) -> list[ImportRecord]:
        """Return the records of the imports that run; may be called from another thread."""
        return [record for record in list(self._records.values()) if record.status == "running"]

    async def put(self, event: Any) -> None:
        """Apply a command or a count; it is acknowledged once the records are saved."""
        message = incoming(event)
        moved = home_record(message, self._partitions)
        try:
            if moved is not None:
                await retrying(lambda: self._producer.send([moved]))
            elif message.topic == IMPORT_COMMANDS:
                self._command(message.decoded(ImportCommand), message.partition)
            else:
                self._progress(message.decoded(StageProgress))
        except PermanentError as error:
            letter = dead_letter("imports", message, error)
            log_dead_letter(letter, error)
            record = dead_letter_record(letter, message.key, message.partition)
            await retrying(lambda: self._producer.send([record]))
            self._meter.unreadable_command(letter.error_type)
        self._unacknowledged.append(event)

    def _command(self, command: ImportCommand, partition: int) -> None:
        record = self._records.get(command.import_id)
        if command.command == "start":
            if record is not None or command.spec is None:
                return  # delivered twice
            record = ImportRecord(
                id=command.import_id,
                account=command.account,
                status="running",
                spec=command.spec,
                started_at=command.issued_at,
                updated_at=command.issued_at,
                total=command.total,
            )
            self._records[record.id] = record
            self._homes[record.id] = partition
        elif record is None:
            return
        elif command.command == "cancel":
            if record.status == "running":
                record.status = "cancelled"
                end_holding(record)
                self._meter.import_ended(record.status)
                self._cancelled.append((self._stop(record.id), record))
        elif command.command == "resume":
            if record.status in ("cancelled", "failed"):
                record.status = "running"
        else:
            apply_feed(record, command)
        self._touch(record)
        self._ensure_running(record)

    def _progress(self, progress: StageProgress) -> None:
        record = self._records.get(progress.import_id)
        if record is not None:
            place = f"{progress.stage}/{progress.partition}"
            known = record.stages.get(place)
            # Counts are published again after every rebalance, and a retried dead letter may hold counts of
            # long ago: neither may replace newer ones.
            if known != progress.counts and (known is None or not is_older(progress.counts, known)):
                record.stages[place] = progress.counts
                self._touch(record)

    def _touch(self, record: ImportRecord) -> None:
        record.updated_at = time.time()
        self._changed.add(record.id)

    def _ensure_running(self, record: ImportRecord) -> None:
        if record.status != "running" or record.id in self._tasks:
            return

        async def save() -> None:
            self._touch(record)
            # The save is shared with other imports: cancelling this one must not cancel it for them.
            await asyncio.shield(self.flush())

        async def run() -> None:
            try:
                await self._run(record, save, self.running)
                self._meter.import_ended(record.status)
            finally:
                # An import that was cancelled and resumed at once has a new task here already, which stays.
                if self._tasks.get(record.id) is asyncio.current_task():
                    del self._tasks[record.id]

        self._tasks[record.id] = asyncio.create_task(run())

    def _stop(self, import_id: str) -> asyncio.Task[None] | None:
        task = self._tasks.pop(import_id, None)
        if task is not None:
            task.cancel()
        return task

    async def flush(self) -> None:
        """Save what has changed, then acknowledge the events it came from.

        When the partitions are revoked meanwhile, saving is cancelled halfway and nothing is acknowledged:
        their next owner reads the events again. If saving went on after the partitions have come back, an old
        record would replace what another worker has written since, such as that the import is completed.
        """
        async with self._saving:
            task = self._under_way = asyncio.create_task(self._save())
            try:
                await asyncio.wait([task])
            finally:
                task.cancel()
            if not task.cancelled():
                task.result()

    async def _save(self) -> None:
        events, self._unacknowledged = self._unacknowledged, []
        cancelled, self._cancelled = self._cancelled, []
        for task, record in cancelled:
            if records := self._on_cancel(record, self.running()):
                if task is not None:
                    await asyncio.wait([task])
                await retrying(partial(self._producer.send, records))
        changed, self._changed = self._changed, set()
        by_home: dict[int, list[tuple[bytes, ImportRecord]]] = {}
        for import_id in changed:
            by_home.setdefault(self._homes[import_id], []).append(
                (import_id.encode(), self._records[import_id])
            )
        for home, entries in by_home.items():
            await retrying(partial(self._tables[TABLE].put, home, entries))
        for event in events:
            event.ack()

    async def tell(self) -> None:
        """Save what has changed."""
        await self.flush()

    async def run(self) -> None:
        """Save every now and then, for ever."""
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            try:
                await self.flush()
            except Exception as error:
                structlog.get_logger().error("import records not saved", error=error)

    async def let_go(self) -> None:
        """Forget everything: the records belong to whoever owns the partitions next."""
        tasks = list(self._tasks.values())
        if self._under_way is not None:
            tasks.append(self._under_way)
        self._tasks.clear()
        self._records.clear()
        self._homes.clear()
        self._changed.clear()
        self._cancelled.clear()
        self._unacknowledged.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def take(self, partitions: frozenset[int], gained: frozenset[int]) -> None:
        """Take up the records of these partitions, and go on with those that were running."""
        for partition in partitions:
            for key, record in self._tables[TABLE].items(partition):
                import_id = key.decode()
                if import_id not in self._records:
                    self._records[import_id] = record
                    self._homes[import_id] = partition
        for record in list(self._records.values()):
            self._ensure_running(record)
