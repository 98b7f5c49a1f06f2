"""Where the local stack keeps its files below a data directory."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schemas.errors import StackError
from schemas.settings.load import STACK_ENV

MIN_FREE_BYTES: Final = 256 * 1024 * 1024
"""Less free space than this, and Kafka or Weaviate would stop within minutes."""


@dataclass(frozen=True, slots=True)
class StackPaths:
    """Files and folders of one stack; ``data_dir`` is absolute."""

    data_dir: Path

    @classmethod
    def of(cls, data_dir: Path) -> StackPaths:
        """Return the paths below ``data_dir``, which may be relative or start with ``~``."""
        return cls(data_dir.expanduser().absolute())

    @property
    def stack(self) -> Path:
        """What is asked for and what runs."""
        return self.data_dir / "stack"

    @property
    def logs(self) -> Path:
        """One log a service, and the supervisor's."""
        return self.data_dir / "logs"

    @property
    def kafka(self) -> Path:
        """Kafka's configuration and its ``data``."""
        return self.data_dir / "kafka"

    @property
    def weaviate(self) -> Path:
        """Weaviate's data."""
        return self.data_dir / "weaviate"

    @property
    def spec(self) -> Path:
        """What is asked for; kept when the stack stops, so that ports stay the same."""
        return self.stack / "spec.json"

    @property
    def state(self) -> Path:
        """What runs; there from ``up`` to ``down``."""
        return self.stack / "state.json"

    @property
    def operation_lock(self) -> Path:
        """Held while the stack is started, changed or stopped."""
        return self.stack / "operation.lock"

    @property
    def supervisor_lock(self) -> Path:
        """Held by the supervisor as long as it lives, with its process id inside."""
        return self.stack / "supervisor.lock"

    @property
    def settings_file(self) -> Path:
        """The settings that reach the running stack, read by ``schemas.settings.load``."""
        return self.data_dir / STACK_ENV

    def log(self, service: str) -> Path:
        """Return the log file of a service."""
        return self.logs / f"{service}.log"

    def prepare(self) -> None:
        """Make the folders; raises StackError when they cannot be written or the disk is full."""
        probe = self.stack / f".probe-{uuid.uuid4().hex}"
        try:
            for folder in (self.data_dir, self.stack, self.logs, self.kafka, self.weaviate):
                folder.mkdir(parents=True, exist_ok=True)
            probe.write_bytes(b"x" * 4096)
            probe.unlink()
            free = shutil.disk_usage(self.data_dir).free
        except OSError as error:
            raise unwritable(self.data_dir, error) from None
        if free < MIN_FREE_BYTES:
            raise StackError(
                f"the disk of {self.data_dir} is full ({free // 1_000_000} MB free, "
                f"{MIN_FREE_BYTES // 1_000_000} MB needed): make room, or set TICKETSTREAM_DATA_DIR elsewhere"
            )
        if "," in str(self.data_dir):
            raise StackError(
                f"Kafka cannot keep data below a path with a comma ({self.data_dir}): "
                "set TICKETSTREAM_DATA_DIR elsewhere"
            )

    def data_of(self, service: str) -> Path | None:
        """Return the folder with the data of a service, or None when it keeps none."""
        return {"kafka": self.kafka, "weaviate": self.weaviate}.get(service)

    def delete_data(self) -> None:
        """Delete everything the stack and the workers keep here, and the folder itself once it is empty.

        The workers' tables go too: they are copies of what Kafka keeps. Other files stay.
        """
        self.settings_file.unlink(missing_ok=True)
        for folder in (self.kafka, self.weaviate, self.logs, self.stack, self.data_dir / "workers"):
            if folder.exists():
                shutil.rmtree(folder)
        if self.data_dir.is_dir() and not any(self.data_dir.iterdir()):
            self.data_dir.rmdir()


def unwritable(folder: Path, error: OSError) -> StackError:
    """Return the error for a data directory that cannot be written, with what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StackError(f"the disk of {folder} is full: make room, or set TICKETSTREAM_DATA_DIR elsewhere")
    return StackError(
        f"the data directory {folder} cannot be written ({error.strerror}): set TICKETSTREAM_DATA_DIR "
        "to a folder that can"
    )


def folder_size(folder: Path) -> int:
    """Return the bytes the files below a folder take on the disk; files that vanish are left out."""
    total = 0
    for parent, folders, files in os.walk(folder):  # which passes over folders that vanish
        for name in (*folders, *files):
            with suppress(OSError):
                total += Path(parent, name).lstat().st_blocks * 512
    return total
