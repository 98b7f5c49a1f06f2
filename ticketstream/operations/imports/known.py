"""Import records as the workers keep them, and commands that no worker has taken up yet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from schemas.cluster import Cluster
from schemas.codec import decode, decode_value
from schemas.errors import ConflictError, NotFoundError, PermanentError
from schemas.headers.moves import is_moved
from schemas.messages.imports import ImportCommand, ImportRecord, ImportSpec, apply_feed
from schemas.topics import IMPORT_COMMANDS, changelog_topic
from streams.kafka.partitions import account_partition
from streams.kafka.topic_reader import TopicReader

CHANGELOG = changelog_topic("imports")


@dataclass(slots=True)
class KnownImport:
    """An import; ``waiting`` when its start is on Kafka but no worker has taken it up yet."""

    record: ImportRecord
    waiting: bool = False


class ImportBook:
    """Puts together the workers' records and the commands, in the order in which partitions hold them."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, str], ImportRecord] = {}
        self._asked: dict[str, ImportRecord] = {}

    def add(self, raw: Any) -> None:
        """Take in a message of one of the topics, with its place, key, value and headers."""
        if raw.topic == CHANGELOG:
            import_id = bytes(raw.key or b"").decode("utf-8", "replace")
            if (record := _record(raw.value)) is not None:
                self._kept[raw.partition, import_id] = record
            else:  # where there are more partitions now, it has a place in another
                self._kept.pop((raw.partition, import_id), None)
            return
        try:
            fold(self._asked, decode(ImportCommand, raw.value, raw.headers))
        except PermanentError:
            return  # a dead letter of the worker's; nothing can be shown of it

    def imports(self) -> list[KnownImport]:
        """Return every import, newest first."""
        kept = {import_id: record for (_, import_id), record in self._kept.items()}
        known = [KnownImport(record) for record in kept.values()]
        known += [KnownImport(record, waiting=True) for key, record in self._asked.items() if key not in kept]
        return sorted(known, key=lambda each: (each.record.started_at, each.record.id), reverse=True)


async def load_imports(cluster: Cluster) -> list[KnownImport]:
    """Return every import of every account, newest first; raises UnavailableError."""
    book = ImportBook()
    async with TopicReader(cluster, [CHANGELOG, IMPORT_COMMANDS]) as reader:
        async for raw in reader.to_end():
            book.add(raw)
    return book.imports()


async def find_import(cluster: Cluster, import_id: str) -> KnownImport:
    """Return one import; raises NotFoundError when there is none of this id."""
    for known in await load_imports(cluster):
        if known.record.id == import_id:
            return known
    raise NotFoundError(f"no import has the id {import_id!r}: see `ticketstream imports list`")


def new_record(command: ImportCommand) -> ImportRecord:
    """Return the record that a start command leads to."""
    return ImportRecord(
        id=command.import_id,
        account=command.account,
        status="running",
        spec=command.spec or ImportSpec(),
        started_at=command.issued_at,
        updated_at=command.issued_at,
        total=command.total,
    )


def fold(records: dict[str, ImportRecord], command: ImportCommand) -> None:
    """Apply a command to what was asked before it."""
    record = records.get(command.import_id)
    if command.command == "start":
        if record is None and command.spec is not None:
            records[command.import_id] = new_record(command)
        return
    if record is None:
        return
    record.updated_at = command.issued_at
    if command.command == "cancel":
        record.status = "cancelled"
    elif command.command == "resume":
        record.status = "running"
    else:
        apply_feed(record, command)


class ImportWatch:
    """Follows the record of one import; an async context manager. Raises UnavailableError."""

    def __init__(self, cluster: Cluster, account: str, import_id: str) -> None:
        self._import_id = import_id.encode()
        self._reader = TopicReader(
            cluster, [CHANGELOG], partitions=[account_partition(account, cluster.partitions)]
        )

    async def __aenter__(self) -> ImportWatch:
        await self._reader.__aenter__()
        return self

    async def __aexit__(self, *problem: object) -> None:
        await self._reader.__aexit__(None, None, None)

    async def states(self, *, every: float = 0.5) -> AsyncIterator[ImportRecord | None]:
        """Yield the newest record whenever it changes, and at least every ``every`` seconds, for ever.

        None until a worker has taken the import up. Raises ConflictError when it has moved to another
        partition meanwhile.
        """
        newest: ImportRecord | None = None
        async for raw in self._reader.to_end():
            if raw.key == self._import_id:
                newest = _record(raw.value)
        while True:
            yield newest
            for raw in await self._reader.next_batch(every):
                if raw.key == self._import_id:
                    if is_moved(raw.value, raw.headers):
                        raise _moved(self._import_id.decode())
                    newest = _record(raw.value) or newest


def _moved(name: str) -> ConflictError:
    return ConflictError(
        f"there are more partitions now, and import {name} goes on with them: see `ticketstream imports show "
        f"{name}`; one that reads a file needs `ticketstream imports resume {name}`"
    )


def _record(value: bytes | None) -> ImportRecord | None:
    if value is None:
        return None
    try:
        return decode_value(ImportRecord, value)
    except PermanentError:
        return None
