"""Some worker processes under one parent.

A worker that dies is started again after 1, 2, 4, then 8 seconds, so that its partitions (which
static membership keeps for it) are served again at once. The workers die with their parent.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from ticketstream.operations.orphans import dies_with_parent

_LONGEST_PAUSE: Final = 8.0
_HEALTHY_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 30.0
_ALL_STOP: Final = signal.SIGHUP
"""Asks a worker to stop without giving its partitions to others, which would do it for nothing.

SIGINT, which says so too, would end a Python that is still starting with a traceback.
"""


@dataclass
class _Child:
    process: subprocess.Popen[bytes]
    started: float
    failures: int = 0
    restart_at: float | None = None


@dataclass
class WorkerPool:
    """Runs ``count`` workers until ``stop``; ``environment`` replaces the process's own when given.

    ``note`` is told in words when a worker dies. ``output`` takes the workers' standard error. ``cwd``
    is where they run, and look for ``.env``; None is here. ``command`` is the module each process
    runs, and its arguments; ``when_orphaned`` is the signal it gets when this process dies.
    """

    count: int
    environment: Mapping[str, str] | None = None
    note: Callable[[str], None] = lambda _: None
    output: IO[bytes] | None = None
    cwd: Path | None = None
    command: tuple[str, ...] = ("agents.worker",)
    when_orphaned: signal.Signals = _ALL_STOP
    _children: list[_Child] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Start the workers; they are ready some seconds later."""
        self._children = [_Child(self._spawn(), time.monotonic()) for _ in range(self.count)]

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that run."""
        return [child.process.pid for child in self._children if child.process.poll() is None]

    def _spawn(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", *self.command],
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=self.output,
            env=dict(self.environment) if self.environment is not None else None,
            cwd=self.cwd,
            # A terminal's Ctrl-C goes to the parent, which stops the workers in order.
            start_new_session=True,
            preexec_fn=_prepared(self.when_orphaned),
        )

    def watch(self) -> None:
        """Keep the workers running until ``stop`` is called (from a signal handler, say)."""
        while not self._stopping.wait(0.2):
            self.look()

    def look(self) -> None:
        """Start again what has died and has waited long enough."""
        now = time.monotonic()
        for child in self._children:
            status = child.process.poll()
            if status is None:
                continue
            if child.restart_at is None:
                lived = now - child.started
                child.failures = 1 if lived > _HEALTHY_SECONDS else child.failures + 1
                pause = 0.0 if child.failures == 1 else min(2.0 ** (child.failures - 2), _LONGEST_PAUSE)
                child.restart_at = now + pause
                self.note(f"worker {child.process.pid} ended ({_ending(status)}); starting it again")
            if now >= child.restart_at:
                child.process = self._spawn()
                child.started = now
                child.restart_at = None

    def ask_to_stop(self) -> None:
        """End ``watch``; safe in a signal handler."""
        self._stopping.set()

    def stop(self) -> None:
        """Stop all workers: they finish what is in flight; one that takes too long is killed."""
        self._stopping.set()
        running = [child.process for child in self._children if child.process.poll() is None]
        asked = _ALL_STOP if len(running) > 1 else signal.SIGTERM
        for process in running:
            process.send_signal(asked)
        deadline = time.monotonic() + _STOP_SECONDS
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.note(f"worker {process.pid} did not stop in {_STOP_SECONDS:.0f} s and is killed")
                process.kill()
                process.wait()


def _prepared(when_orphaned: signal.Signals) -> Callable[[], None]:
    """Return what a worker's process does before it becomes a worker."""
    bind_to_parent = dies_with_parent(when_orphaned)

    def prepare() -> None:
        signal.signal(_ALL_STOP, signal.SIG_DFL)  # under nohup it would be ignored
        if bind_to_parent is not None:
            bind_to_parent()

    return prepare


def _ending(status: int) -> str:
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
