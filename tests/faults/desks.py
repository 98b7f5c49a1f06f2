"""One stack for many scenarios: each scenario has an account of its own, at a sample Zendesk of its own."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import psutil
from harness import Desk, settings_of
from worker_process import Worker, events_in

from schemas.settings.load import PREFIX
from ticketstream.local.sample.zendesk.control import SampleZendeskControl
from ticketstream.local.stack.ports import free_ports
from ticketstream.local.stack.processes import clean_environment
from ticketstream.local.stack.readiness import sample_ready
from ticketstream.operations.orphans import dies_with_parent

READY_SECONDS = 120.0


class LoggedWorker(Worker):
    """A worker with a log of its own."""

    def __init__(self, environment: dict[str, str], folder: Path, log_file: Path, *, whole: bool) -> None:
        self.log_file = log_file
        self.started = time.monotonic()
        self.asked = False
        """Whether it was the test that ended it."""
        super().__init__(environment, folder, log_file, whole=whole)

    def kill(self) -> None:
        """Kill it."""
        self.asked = True
        super().kill()

    def terminate(self, seconds: float = 30.0) -> int:
        """Ask it to stop and return its exit status."""
        self.asked = True
        return super().terminate(seconds)

    def events(self, name: str) -> list[dict[str, object]]:
        """Return the log's entries of this event, in their order."""
        return events_in(self.log_file, name)

    @property
    def partitions(self) -> set[int]:
        """The partitions it was given last."""
        given = self.events("partitions assigned")
        return set(given[-1]["partitions"]) if given else set()  # type: ignore[call-overload]

    @property
    def slot(self) -> int | None:
        """The number of its slot, once it says so."""
        given = self.events("partitions assigned")
        return int(str(given[-1]["worker"])) if given else None


class AccountDesk(Desk):
    """The desk of one account on another desk's stack; it ends without the stack.

    ``whole`` workers are Pythons of their own from their start (see forked_process), and so are those with
    ``variables``.
    """

    workers: list[Worker]

    def __init__(self, base: Desk, account: str, tickets: int, seed: int, *, whole: bool) -> None:
        self.stack = base.stack
        self.data_dir = base.data_dir
        self.workers = []
        self._folder = base.data_dir.with_name(f"{base.data_dir.name}-{account}")
        self._folder.mkdir()
        self._base = base
        self.account = account
        self.worker_settings: dict[str, object] = {}
        """Settings of the workers alone (without their prefix): what they reach in another way."""
        self.variables: dict[str, str] = {}
        """Variables of the workers that are no settings."""
        self._tickets = tickets
        self._seed = seed
        self._whole = whole

    def start(self) -> None:
        """Serve the account."""
        (port,) = free_ports(1)
        url = f"http://127.0.0.1:{port}"
        options = {"port": port, "account": self.account, "tickets": self._tickets, "seed": self._seed}
        command = [
            sys.executable,
            "-m",
            "ticketstream.local.sample.zendesk",
            "--no-limits",
            "--export-delay=0",
        ]
        with (self._folder / "zendesk.log").open("ab") as log:
            self._service = subprocess.Popen(
                [*command, *(f"--{name}={value}" for name, value in options.items())],
                env=clean_environment(PYTHONPATH=str(Path(__file__).parents[2])),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=dies_with_parent(),
            )
        deadline = time.monotonic() + READY_SECONDS
        while not sample_ready(url):
            assert time.monotonic() < deadline and self._service.poll() is None, (
                "the sample Zendesk is not up"
            )
            time.sleep(0.1)
        own = {"ZENDESK__SUBDOMAIN": self.account, "ZENDESK__BASE_URL": url}
        self.environment = self._base.environment | {PREFIX + name: value for name, value in own.items()}
        self.settings = settings_of(self.environment)
        self.zendesk = SampleZendeskControl(url)
        self.partitions = self.settings.kafka.partitions

    def configure(self, **settings: object) -> None:
        """Put settings (without their prefix) on top of the desk's, for all workers from now on."""
        self.environment |= {PREFIX + name: str(value) for name, value in settings.items()}
        self.settings = settings_of(self.environment)

    def stop(self) -> None:
        """End the workers and the account's service."""
        self.stop_workers()
        self.zendesk.close()
        self._service.kill()
        self._service.wait()

    def worker(self, **settings: object) -> LoggedWorker:
        """Start a worker, with these settings on top of the desk's; see ``variables`` for the rest."""
        own = {PREFIX + name: str(value) for name, value in (self.worker_settings | settings).items()}
        number = len(list(self._folder.glob("worker-*.log")))
        log = self._folder / f"worker-{number}.log"
        environment = self.environment | self.variables | own
        worker = LoggedWorker(environment, self.data_dir, log, whole=self._whole or bool(self.variables))
        self.workers.append(worker)
        return worker

    def log(self) -> str:
        """Return what the workers have logged, one after the other."""
        logs = sorted(self._folder.glob("worker-*.log"), key=lambda path: path.stat().st_mtime)
        return "\n".join(f"--- {path.name}\n{path.read_text(errors='replace')[-4000:]}" for path in logs)

    def logged(self, pattern: str) -> int:
        """Return how many lines of all workers' logs a pattern is found in."""
        found = re.compile(pattern.encode())
        return sum(
            1
            for path in self._folder.glob("worker-*.log")
            for line in path.read_bytes().splitlines()
            if found.search(line)
        )

    # The stack's services.

    def service(self, name: str) -> psutil.Process:
        """Return the process of a service of the stack."""
        status = next(each for each in self.stack.status().services if each.name == name)
        assert status.pid is not None, f"{name} does not run: {status}"
        return psutil.Process(status.pid)

    def kill_service(self, name: str) -> None:
        """Kill a service (SIGKILL); returns when its supervisor has started it again and it is ready."""
        old = self.service(name)
        old.kill()
        deadline = time.monotonic() + READY_SECONDS
        while True:
            status = next(each for each in self.stack.status().services if each.name == name)
            if status.state == "running" and status.pid != old.pid:
                return
            assert time.monotonic() < deadline, f"{name} does not come back: {status}"
            time.sleep(0.1)
