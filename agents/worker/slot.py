"""Worker slots of a machine: each running worker holds one, with its data folder and its identity.

The slot gives static group membership: a worker that is killed and started again takes the same
slot, so Kafka gives it the same partitions at once, and its RocksDB files are there already.
"""

from __future__ import annotations

import fcntl
import shutil
import socket
from pathlib import Path
from typing import IO, Final

from schemas.errors import StackError

_LEAST_FREE_BYTES: Final = 8 * 1024 * 1024
"""With less, the tables would soon stop the worker again."""


class WorkerSlot:
    """A numbered folder under the data directory, locked for as long as the process lives."""

    def __init__(self, number: int, folder: Path, lock: IO[str]) -> None:
        self.number = number
        self.folder = folder
        self._lock = lock

    @property
    def instance_id(self) -> str:
        """The group instance id: host, data directory and number tell workers apart."""
        place = self.folder.parent.stat()  # its own folder may be deleted, to be made anew
        return f"ticketstream-{socket.gethostname()}-{place.st_dev:x}-{place.st_ino:x}-{self.number}"

    def release(self) -> None:
        """Give the slot back."""
        self._lock.close()


def take_slot(data_dir: Path, highest: int = 256) -> WorkerSlot:
    """Take the lowest free slot; raises StackError when the folder cannot be written."""
    base = data_dir / "workers"
    try:
        base.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(base).free < _LEAST_FREE_BYTES:
            raise StackError(
                f"the disk of {data_dir} is full: make room there, or set TICKETSTREAM_DATA_DIR to another"
            )
        for number in range(highest):
            lock = (base / f"{number}.lock").open("a")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                continue
            folder = base / str(number)
            folder.mkdir(exist_ok=True)
            return WorkerSlot(number, folder, lock)
    except OSError as error:
        raise StackError(
            f"the data directory {data_dir} cannot be written ({error.strerror}): "
            "free it, or set TICKETSTREAM_DATA_DIR to another"
        ) from error
    raise StackError(f"{highest} workers run in {data_dir} already")


def taken_slots(data_dir: Path) -> int:
    """Return how many workers of this data directory run now."""
    taken = 0
    for path in (data_dir / "workers").glob("*.lock"):
        with path.open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                taken += 1
    return taken
