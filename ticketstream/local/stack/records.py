"""What is asked of the supervisor, and what it says of its services: two small JSON files."""

from __future__ import annotations

import os
import tempfile
import zlib
from pathlib import Path
from typing import Literal

import msgspec

from ticketstream.local.stack.options import StackOptions


class ServiceSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One process to keep running. ``environment`` is all it gets; ``address`` is shown to people."""

    name: str
    title: str
    argv: list[str]
    environment: dict[str, str]
    cwd: str
    log: str
    address: str
    stop_seconds: float = 20.0
    paused: bool = False

    def fingerprint(self) -> int:
        """Return a number that tells this specification from another one of the same service."""
        return zlib.crc32(msgspec.json.encode(self))


class StackSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The stack that is asked for. ``external`` holds services used instead of started, by name.

    ``partitions`` is what the topics of its Kafka were given last; 0: what the settings say.
    """

    options: StackOptions = StackOptions()
    ports: dict[str, int] = {}
    services: list[ServiceSpec] = []
    external: dict[str, str] = {}
    cluster_password: str = ""
    partitions: int = 0

    def service(self, name: str) -> ServiceSpec | None:
        """Return the service of this name."""
        return next((service for service in self.services if service.name == name), None)

    def with_paused(self, name: str, paused: bool) -> StackSpec:
        """Return this stack with one service paused or not."""
        services = [
            msgspec.structs.replace(service, paused=paused) if service.name == name else service
            for service in self.services
        ]
        return msgspec.structs.replace(self, services=services)


class ServiceState(msgspec.Struct, kw_only=True):
    """One service as it is; ``created`` tells its process from another one with the same id.

    ``fingerprint`` is that of the specification it runs with; ``since`` is in
    Unix seconds; ``exits`` counts how often it ended by itself since it last ran well.
    """

    name: str
    fingerprint: int
    state: Literal["running", "waiting", "paused", "stopping"]
    pid: int | None = None
    created: float | None = None
    since: float | None = None
    exits: int = 0
    last_exit: str = ""


class StackState(msgspec.Struct, kw_only=True):
    """What the supervisor runs now."""

    supervisor_pid: int
    supervisor_created: float
    services: list[ServiceState] = []

    def service(self, name: str) -> ServiceState | None:
        """Return the state of one service."""
        return next((service for service in self.services if service.name == name), None)


def read_spec(path: Path) -> StackSpec:
    """Return the stack that was asked for last; an empty one when the file is missing or damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=StackSpec)
    except (OSError, msgspec.DecodeError):
        return StackSpec()


def read_state(path: Path) -> StackState | None:
    """Return what the supervisor wrote last, or None when the file is missing or damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=StackState)
    except (OSError, msgspec.DecodeError):
        return None


def write_private(path: Path, content: bytes) -> None:
    """Replace a file in one step, readable by its owner only. Raises OSError."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:  # mkstemp makes it with mode 600
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_record(path: Path, record: StackSpec | StackState) -> None:
    """Replace the JSON file with this record in one step. Raises OSError."""
    write_private(path, msgspec.json.format(msgspec.json.encode(record)))
