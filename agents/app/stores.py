"""The tables' RocksDB files: copies of what the changelogs hold, so a damaged one is made anew.

With Faust's own store a worker ends with a traceback when a database cannot be opened, and so at every
start. And a database that fails later would turn sound tickets into dead letters.
"""

from __future__ import annotations

import os
import resource
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import rocksdict
import structlog
from faust.stores import STORES, rocksdb
from faust.types import TP

from schemas.errors import StackError

URL: Final = "local://"
"""Names this store in an app's settings, once it is installed."""
TRY_AGAIN: Final = 75
"""The exit status (sysexits.h, EX_TEMPFAIL) of a worker that its parent should start again."""
_FULL: Final = "no space left on device"
_FILES: Final = "too many open files"
_PARTITIONS: Final = "partitions"
"""The file that says with how many partitions the tables beside it were made."""


class LocalStore(rocksdb.Store):
    """Faust's RocksDB store, which rebuilds what it cannot open and ends the worker over what breaks later.

    Ending the worker loses nothing: a message is acknowledged only after the changelog has its entries.
    """

    def _open_for_partition(self, partition: int) -> Any:
        path = self.partition_path(partition)
        try:
            return super()._open_for_partition(partition)
        except Exception as error:
            # Faust waits for a database that another process has locked. A full disk needs a person.
            if "lock" in str(error).lower():
                raise
            if any(lack in str(error).lower() for lack in (_FULL, _FILES)):
                give_up(path, error)
            structlog.get_logger().warning(
                "a local table is damaged and is made anew from its changelog",
                path=str(path),
                error=_line(error),
            )
            shutil.rmtree(path, ignore_errors=True)
            return super()._open_for_partition(partition)

    def write(self, place: TP, entries: Iterable[tuple[bytes, bytes | None]], offset: int) -> None:
        """Write entries of a partition (None deletes), and the changelog's offset up to which they go."""
        batch = rocksdict.WriteBatch(raw_mode=True)
        for key, value in entries:
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        batch.put(self.offset_key, str(offset).encode())
        self._db_for_partition(place.partition).write(batch)

    def follow(self, place: TP, records: Sequence[Any]) -> None:
        """Write what was read of a changelog, in its order, as far as it is not there yet.

        A record that is read late must not undo what was written since.
        """
        try:
            known = self.persisted_offset(place)
            new = [one for one in records if known is None or one.offset > known]
            if new:
                self.write(place, ((one.key, one.value) for one in new), new[-1].offset)
        except Exception as error:
            give_up(self.path, error)
            raise

    def apply_changelog_batch(self, batch: Iterable[Any], *_: Any, **__: Any) -> None:
        """Write the entries that Faust's recovery passes on; most are written already (see ``follow``)."""
        places: defaultdict[TP, list[Any]] = defaultdict(list)
        for event in batch:
            places[event.message.tp].append(event.message)
        for place, messages in places.items():
            self.follow(place, messages)


def keep_for(partitions: int, folder: Path) -> None:
    """Delete a worker's tables that were made with another number of partitions.

    A ticket that has moved to another partition would still be in the table of its old one: the changelog
    keeps the tombstone for a day only (Kafka's ``delete.retention.ms``), and a worker that was away for
    longer never reads it. Raises StackError when the folder cannot be written.
    """
    note = folder / _PARTITIONS
    try:
        if note.is_file() and note.read_text().strip() == str(partitions):
            return
        shutil.rmtree(folder)
        folder.mkdir()
        note.write_text(f"{partitions}\n")
    except OSError as error:
        raise StackError(f"the worker's folder {folder} cannot be written: {error.strerror}") from error


def install() -> None:
    """Make the store known to Faust."""
    STORES.aliases["local"] = f"{__name__}:{LocalStore.__name__}"


def give_up(path: Path, error: Exception) -> None:
    """End the worker if RocksDB cannot go on after this error; else return.

    ``path`` is a database, or the folder of all: it is deleted when something there is damaged.
    """
    text = _line(error)
    log = structlog.get_logger()
    if _FULL in text.lower():
        log.error(
            "no room for the local tables: free some on their disk; the worker starts again when there is",
            path=str(path),
            error=text,
        )
    elif _FILES in text.lower():
        log.error(
            "too many open files: a worker needs some forty for each partition; raise the limit "
            "(`ulimit -n`, LimitNOFILE), or start more workers, which share the partitions",
            path=str(path),
            error=text,
            limit=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        )
    elif text.startswith(("Corruption", "IO error")):
        log.error(
            "the local tables are damaged: they are deleted, and made anew from their changelogs",
            path=str(path),
            error=text,
        )
        shutil.rmtree(path, ignore_errors=True)
    else:
        return
    sys.stderr.flush()
    os._exit(TRY_AGAIN)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
