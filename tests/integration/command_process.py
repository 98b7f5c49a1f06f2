"""A command of the tests: ``ticketstream`` with its arguments."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from forked_process import ForkedProcess


class Command(ForkedProcess):
    """Works in ``folder`` with this environment; what it prints lies in files beside the folder."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        printed = Path(tempfile.mkdtemp(prefix="command-", dir=folder.parent))
        self._arguments, self._out, self._err = arguments, printed / "out", printed / "err"
        super().__init__(
            "ticketstream", *arguments, environment=environment, folder=folder, out=self._out, err=self._err
        )

    def told(self) -> str:
        """Return what it has written on standard error by now."""
        return self._err.read_text()

    def ended(self, seconds: float) -> subprocess.CompletedProcess[str]:
        """Return how it ended; one that takes too long is killed."""
        status = self.wait(seconds)
        return subprocess.CompletedProcess(self._arguments, status, self._out.read_text(), self.told())
