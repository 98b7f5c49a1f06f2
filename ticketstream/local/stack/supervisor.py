"""``python -m ticketstream.local.stack.supervisor DATA_DIR``: keeps the services of one stack running.

It reads what is asked for from ``stack/spec.json`` at the start and on SIGHUP, starts what is missing
or changed, ends what is not wanted, and starts again what dies, waiting longer each time. On SIGTERM
it ends everything and itself. When it is killed itself, the kernel ends its children.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Final

import psutil

from ticketstream.local.stack.layout import StackPaths
from ticketstream.local.stack.processes import created
from ticketstream.local.stack.records import ServiceSpec, ServiceState, StackState, read_spec, write_record
from ticketstream.operations.locks import try_lock
from ticketstream.operations.orphans import dies_with_parent

LONGEST_PAUSE: Final = 10.0
RAN_WELL_SECONDS: Final = 30.0
KEPT_LOGS: Final = 3


def back_off(exits: int) -> float:
    """Return the seconds to wait before the next start: 0.5, 1, 2, 4, 8, then 10."""
    return min(LONGEST_PAUSE, 0.5 * 2.0 ** max(0, exits - 1))


def rotate(log: Path) -> None:
    """Set aside the log of the last run: ``x.log`` becomes ``x.log.1``, and so on; three are kept."""
    for number in range(KEPT_LOGS - 1, 0, -1):
        with suppress(FileNotFoundError):
            Path(f"{log}.{number}").replace(f"{log}.{number + 1}")
    with suppress(FileNotFoundError):
        if log.stat().st_size:
            log.replace(f"{log}.1")


class Child:
    """One service: the process while there is one, and when to start the next."""

    def __init__(self, spec: ServiceSpec) -> None:
        self.spec = spec
        self.process: subprocess.Popen[bytes] | None = None
        self.state = self._fresh_state()
        self._start_at = 0.0
        self._kill_at = 0.0
        rotate(Path(spec.log))

    def start_if_due(self, now: float) -> None:
        """Start the process unless it runs or its pause is not over."""
        if self.process or now < self._start_at:
            return
        try:
            with Path(self.spec.log).open("ab") as log:
                self.process = subprocess.Popen(
                    self.spec.argv,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=self.spec.environment,
                    cwd=self.spec.cwd,
                    start_new_session=True,
                    preexec_fn=dies_with_parent(),
                )
        except OSError as error:
            self._ended(now, f"cannot be started: {error.strerror}: {error.filename}")
            return
        self.state.state, self.state.pid, self.state.since = "running", self.process.pid, time.time()
        self.state.created = created(self.process.pid)

    def look(self, now: float) -> None:
        """Notice that the process ended; kill it when it was asked to end and has not in time."""
        if self.process is None:
            return
        code = self.process.poll()
        if code is None:
            if self._kill_at and now >= self._kill_at:
                self.process.kill()
            return
        asked, self.process, self._kill_at = bool(self._kill_at), None, 0.0
        if asked:
            self.state.state, self.state.pid, self.state.created = "waiting", None, None
        else:
            self._ended(now, f"exit status {code}" if code >= 0 else f"signal {-code}")

    def _ended(self, now: float, reason: str) -> None:
        ran = time.time() - self.state.since if self.state.pid and self.state.since else 0.0
        exits = 1 if ran > RAN_WELL_SECONDS else self.state.exits + 1
        self.state = self._fresh_state()
        self.state.exits, self.state.last_exit = exits, reason
        self._start_at = now + back_off(exits)

    def ask_to_end(self, now: float) -> None:
        """Ask the process to end; it is killed once its time is over."""
        if self.process and not self._kill_at:
            self._kill_at = now + self.spec.stop_seconds
            self.state.state = "stopping"
            self.process.terminate()

    def replace(self, spec: ServiceSpec) -> None:
        """Run another specification from now on; the process must have ended."""
        self.spec, self._start_at = spec, 0.0
        self.state = self._fresh_state()

    def _fresh_state(self) -> ServiceState:
        return ServiceState(name=self.spec.name, fingerprint=self.spec.fingerprint(), state="waiting")

    def next_event(self) -> float:
        """Return when (monotonic) something is due by itself, or infinity."""
        if self.process:
            return self._kill_at or float("inf")
        return self._start_at


class Supervisor:
    """Keeps the services of one data directory as its spec file wants them."""

    def __init__(self, paths: StackPaths) -> None:
        self._paths = paths
        self._children: dict[str, Child] = {}
        self._wanted: dict[str, ServiceSpec] = {}
        self._stopping = False
        self._reread = True
        self._written = b""
        self._created = psutil.Process().create_time()

    def run(self, operation_lock: int | None = None) -> int:
        """Run until SIGTERM; returns the exit status, 1 when another supervisor has this directory.

        ``operation_lock`` is the descriptor of the lock of whoever started us: it is held until our own
        lock and state can be seen, so that nobody overlooks us.
        """
        reader = self._catch_signals()  # before anybody can find us and send one
        lock = os.open(self._paths.supervisor_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + 3
        while not try_lock(lock):  # somebody may just be looking whether it is held
            if time.monotonic() > deadline:
                return 1
            time.sleep(0.05)
        os.ftruncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
        self._write_state()
        if operation_lock is not None:
            os.close(operation_lock)
        while not (self._stopping and not self._children):
            self._step(time.monotonic())
            self._write_state()
            self._wait(reader)
        with suppress(OSError):
            self._paths.state.unlink()
        return 0

    def _catch_signals(self) -> int:
        reader, writer = os.pipe()
        for end in (reader, writer):
            os.set_blocking(end, False)
            os.set_inheritable(end, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

        def stop(_number: int, _frame: FrameType | None) -> None:
            self._stopping = True

        def reread(_number: int, _frame: FrameType | None) -> None:
            self._reread = True

        def child(_number: int, _frame: FrameType | None) -> None:
            """Waking up is all that is needed."""

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGHUP, reread)
        signal.signal(signal.SIGCHLD, child)
        return reader

    def _step(self, now: float) -> None:
        if self._reread:
            self._reread = False
            self._wanted = {spec.name: spec for spec in read_spec(self._paths.spec).services}
            for name, spec in self._wanted.items():
                if name not in self._children:
                    self._children[name] = Child(spec)
        for name, child in list(self._children.items()):
            child.look(now)
            wanted = None if self._stopping else self._wanted.get(name)
            if wanted is None:
                child.ask_to_end(now)
                if child.process is None:
                    del self._children[name]
            elif wanted.paused or wanted != child.spec:
                child.ask_to_end(now)
                if child.process is None:
                    if wanted != child.spec:
                        child.replace(wanted)
                    child.state.state = "paused" if wanted.paused else "waiting"
            if child.process is None and wanted and not wanted.paused:
                child.start_if_due(now)

    def _write_state(self) -> None:
        state = StackState(
            supervisor_pid=os.getpid(),
            supervisor_created=self._created,
            services=[child.state for child in self._children.values()],
        )
        encoded = repr(state).encode()
        if encoded == self._written:
            return
        # With a full disk the services go on; the state is written once there is room again.
        with suppress(OSError):
            write_record(self._paths.state, state)
            self._written = encoded

    def _wait(self, reader: int) -> None:
        due = min((child.next_event() for child in self._children.values()), default=float("inf"))
        pause = max(0.0, min(1.0, due - time.monotonic()))
        if self._reread or select.select([reader], [], [], pause)[0]:
            with suppress(BlockingIOError):
                while os.read(reader, 512):
                    pass


def main() -> None:
    """Supervise the data directory named first; a second argument is an inherited lock's descriptor."""
    paths = StackPaths.of(Path(sys.argv[1]))
    inherited = int(sys.argv[2]) if len(sys.argv) > 2 else None
    sys.exit(Supervisor(paths).run(inherited))


if __name__ == "__main__":
    main()
