"""A worker process of the tests.

It is forked from a process that has imported ``agents.worker`` already and does nothing else: the tests
start some seventy workers that do a few seconds of work each, and importing would be half of it. The
demo's workers and those of the full fault suite, which measures how soon they work, are ``python -m
agents.worker`` as users start it.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from agents.worker import end, main
from ticketstream.stack.processes import PR_SET_PDEATHSIG

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["agents.worker"])


class Worker:
    """A worker with this environment that works in ``folder``, logs to ``log`` and ends with the tests.

    With ``whole`` it begins as a Python that has imported nothing: as users start it, and as variables
    like LD_PRELOAD or PYTHONPATH need it.
    """

    def __init__(
        self, environment: Mapping[str, str], folder: Path, log: Path, *, whole: bool = False
    ) -> None:
        log.touch()
        # A daemon is ended with the tests, whatever they did.
        arguments = (dict(environment), folder, log, whole)
        self._process = _FORKS.Process(target=_run, args=arguments, daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Whether the process is there."""
        return self._process.is_alive()

    def kill(self) -> None:
        """Kill it without a warning (SIGKILL)."""
        self._process.kill()
        self._process.join()

    def terminate(self, seconds: float = 30.0) -> int:
        """Ask it to stop (SIGTERM) and return its exit status; one that takes too long is killed."""
        self._process.terminate()
        self._process.join(seconds)
        if self._process.exitcode is None:
            self.kill()
            raise subprocess.TimeoutExpired("agents.worker", seconds)
        return self._process.exitcode


def _run(environment: dict[str, str], folder: Path, log: Path, whole: bool) -> None:
    os.setsid()
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.chdir(folder)
    file = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    if whole:
        os.execve(sys.executable, [sys.executable, "-m", "agents.worker"], environment)  # noqa: S606
    os.environ.clear()
    os.environ.update(environment)
    end(main())


def events_in(log: Path, name: str) -> list[dict[str, Any]]:
    """Return the entries of this event in a log of workers, in their order."""
    # The line under way may be half there; a terminal's codes may stand before one.
    lines = [line[line.find(b"{") :] for line in log.read_bytes().split(b"\n")[:-1]]
    entries = [msgspec.json.decode(line) for line in lines if name.encode() in line]
    return [entry for entry in entries if entry.get("event") == name]
