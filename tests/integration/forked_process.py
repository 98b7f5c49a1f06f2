"""A process of the product, begun by the tests: ``python -m MODULE ARGUMENTS``.

It is forked from a process that has imported the product already and does nothing else: the tests start
hundreds of workers and commands that do a second or two of work each, and importing would be half of
it. ``python -m`` is then what it does, within the process.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ticketstream.cli import COMMAND_MODULES
from ticketstream.operations.orphans import die_with_parent

_FORKS = multiprocessing.get_context("forkserver")
# What the modules to run import: those themselves must not be there yet.
_FORKS.set_forkserver_preload(
    [
        "agents.app.faust_app",
        "agents.worker.plan",
        "ticketstream.operations.checks.everything",
        *COMMAND_MODULES,
        "ticketstream.operations.imports.attempt",
        "ticketstream.cli.imports.replay_run",
        "ticketstream.http.server",
        "ticketstream.operations.reconcile.run",
        "ticketstream.operations.dead_letters.book",
        "streams.search.searcher",
        "ticketstream.operations.scale.run",
        # What is imported only when it is needed.
        "anyio._backends._asyncio",
        "faust.app.router",
        "faust.assignor.partition_assignor",
        "faust.worker",
        "google.genai",
        "httpcore",
        "uvicorn.protocols.http.httptools_impl",
        "uvicorn.protocols.websockets.websockets_sansio_impl",
        "uvloop",
        "wordllama",
    ]
)


class _Start(NamedTuple):
    """What the process is to be."""

    module: str
    arguments: Sequence[str]
    environment: dict[str, str]
    folder: Path
    out: Path
    err: Path
    whole: bool


class ForkedProcess:
    """Works in ``folder`` with this environment, writes on the ends of two files (or of one) and ends
    with the tests.

    With ``whole`` it begins as a Python that has imported nothing: as users start it, and as variables
    like LD_PRELOAD or PYTHONPATH need it.
    """

    def __init__(
        self,
        module: str,
        *arguments: str,
        environment: Mapping[str, str],
        folder: Path,
        out: Path,
        err: Path | None = None,
        whole: bool = False,
    ) -> None:
        self._module = module
        start = _Start(module, arguments, dict(environment), folder, out, err or out, whole)
        for printed in (start.out, start.err):
            printed.touch()  # whoever reads it may be sooner than the process
        # A daemon is ended with the tests, whatever they did.
        self._process = _FORKS.Process(target=_run, args=(start,), daemon=True)
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
        return self.wait(seconds)

    def wait(self, seconds: float) -> int:
        """Return its exit status once it has ended; one that takes too long is killed."""
        self._process.join(seconds)
        if self._process.exitcode is None:
            self.kill()
            raise subprocess.TimeoutExpired(self._module, seconds)
        return self._process.exitcode


def _run(start: _Start) -> None:
    os.setsid()
    die_with_parent()
    os.chdir(start.folder)
    for path, number in ((start.out, 1), (start.err, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), number)
    if start.whole:
        command = [sys.executable, "-m", start.module, *start.arguments]
        os.execve(sys.executable, command, start.environment)  # noqa: S606
    os.environ.clear()
    os.environ.update(start.environment)
    sys.argv[1:] = start.arguments
    runpy.run_module(start.module, run_name="__main__", alter_sys=True)
