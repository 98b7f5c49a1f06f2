"""A worker process of the tests, and what its log says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from forked_process import ForkedProcess


class Worker(ForkedProcess):
    """A worker with this environment that works in ``folder`` and logs to ``log``.

    The workers of the full fault suite, which measures how soon they work, are ``whole``.
    """

    def __init__(
        self, environment: Mapping[str, str], folder: Path, log: Path, *, whole: bool = False
    ) -> None:
        super().__init__("agents.worker", environment=environment, folder=folder, out=log, whole=whole)


def events_in(log: Path, name: str) -> list[dict[str, Any]]:
    """Return the entries of this event in a log of workers, in their order."""
    # The line under way may be half there; a terminal's codes may stand before one.
    lines = [line[line.find(b"{") :] for line in log.read_bytes().split(b"\n")[:-1]]
    entries = [msgspec.json.decode(line) for line in lines if name.encode() in line]
    return [entry for entry in entries if entry.get("event") == name]
