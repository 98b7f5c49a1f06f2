"""The local stack as an object: what ``ticketstream up`` and ``down`` do, for tests and the demo too.

::

    stack = LocalStack(tmp_path, StackOptions(sample=True, tickets=500))
    environment = stack.start()     # {"TICKETSTREAM_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:…", …}
    stack.stop_service("weaviate")  # away …
    stack.start_service("weaviate") # … and back on the same port
    stack.stop()

All calls block; inside an event loop, call them with ``asyncio.to_thread``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Final

import msgspec
import psutil

from schemas.cluster import Cluster
from schemas.errors import StackError
from schemas.settings.load import Settings
from ticketstream.local.stack import kafka
from ticketstream.local.stack.build import Parts, log_tail, ready_parts
from ticketstream.local.stack.coming_up import READY_SECONDS, ComingUp, check_external, until
from ticketstream.local.stack.environment import stack_environment, write_settings_file
from ticketstream.local.stack.layout import StackPaths, unwritable
from ticketstream.local.stack.options import StackOptions
from ticketstream.local.stack.planning import external_services, plan_spec, with_services
from ticketstream.local.stack.ports import HOST
from ticketstream.local.stack.processes import clean_environment, end_processes
from ticketstream.local.stack.records import (
    ServiceSpec,
    ServiceState,
    StackSpec,
    read_spec,
    read_state,
    write_record,
)
from ticketstream.local.stack.status import StackStatus, read_status
from ticketstream.local.stack.supervisor import rotate
from ticketstream.operations.locks import file_lock, lock_holder
from ticketstream.operations.progress import ProgressHook

OPERATION_SECONDS: Final = 90.0


class LocalStack:
    """The stack of one data directory.

    ``given`` are the user's settings without those of a local stack: the services they name are used
    instead of started. Without it everything is started. ``progress`` is told what goes on, as
    (step, detail).
    """

    def __init__(
        self,
        data_dir: Path,
        options: StackOptions | None = None,
        *,
        given: Settings | None = None,
        progress: ProgressHook = lambda step, detail: None,
    ) -> None:
        self._paths = StackPaths.of(data_dir)
        self._options = options or StackOptions()
        self._given = given
        self._progress = progress
        self._supervisor: subprocess.Popen[bytes] | None = None

    @property
    def paths(self) -> StackPaths:
        """Where this stack keeps its files."""
        return self._paths

    def is_running(self) -> bool:
        """Say whether this stack's supervisor runs."""
        return lock_holder(self._paths.supervisor_lock) is not None

    def start(self) -> dict[str, str]:
        """Start what is not running, wait until all of it is ready, and return the settings that reach it.

        A running stack is left as it is, or changed to options that differ. What this call started is
        stopped again when it does not become ready or is interrupted. Raises StackError and
        SettingsError.
        """
        self._paths.prepare()
        before, running = read_spec(self._paths.spec), self.is_running()
        options = self._options.over(before.options) if running else self._options
        external = external_services(self._given, before.ports, bool(options.sample))
        check_external(external, self._given)
        parts = ready_parts(
            with_kafka="kafka" not in external,
            with_weaviate="weaviate" not in external,
            progress=self._progress,
        )
        started = False
        try:
            with self._operation() as lock:
                spec = self._planned(options, external, parts)
                if not self.is_running():
                    started = True
                    self._launch(spec, parts, lock)
                elif spec != read_spec(self._paths.spec):
                    self._write_spec(spec, parts)
                    self._wake_supervisor()
            self._await_ready(spec, [service.name for service in spec.services])
            environment = stack_environment(self._paths, spec, self._given)
            write_settings_file(self._paths, environment)
        except BaseException as error:
            if started:
                self.stop()
            if isinstance(error, OSError):
                raise unwritable(self._paths.data_dir, error) from None
            raise
        return environment

    def stop(self, *, delete_data: bool = False) -> bool:
        """End everything this stack runs, also what a killed ``up`` left; say whether there was anything.

        With ``delete_data`` everything kept in the data directory goes too.
        """
        if not self._paths.stack.is_dir():
            if delete_data:
                self._paths.delete_data()
            return False
        with self._operation():
            supervisor = lock_holder(self._paths.supervisor_lock)
            state = read_state(self._paths.state)
            if supervisor:
                spec = read_spec(self._paths.spec)
                self._progress("stopping", ", ".join(service.title for service in spec.services))
                patience = 10 + max((service.stop_seconds for service in spec.services), default=0)
                with suppress(ProcessLookupError):
                    os.kill(supervisor, signal.SIGTERM)
                if not until(self._supervisor_gone, patience):
                    with suppress(ProcessLookupError):
                        os.kill(supervisor, signal.SIGKILL)  # the kernel ends its children
                    until(self._supervisor_gone, 10)
            self._end_left_overs()
            self._paths.settings_file.unlink(missing_ok=True)
            self._paths.state.unlink(missing_ok=True)
            if delete_data:
                self._paths.delete_data()
        return supervisor is not None or state is not None

    def status(self) -> StackStatus:
        """Return each service as it is."""
        return read_status(self._paths, self._given)

    def keep_partitions(self, cluster: Cluster, partitions: int) -> None:
        """Have the other commands find how many partitions the topics have now, if this is the stack's Kafka.

        What the environment or ``.env`` says wins, as ever.
        """
        if not self._paths.stack.is_dir():
            return
        with self._operation():
            spec = read_spec(self._paths.spec)
            if "kafka" in spec.external or cluster.servers != f"{HOST}:{spec.ports.get('kafka')}":
                return
            spec = msgspec.structs.replace(spec, partitions=partitions)
            write_record(self._paths.spec, spec)
            if self._paths.settings_file.exists():
                write_settings_file(self._paths, stack_environment(self._paths, spec, self._given))

    def stop_service(self, name: str) -> None:
        """Stop one service (``kafka``, ``weaviate``, ``zendesk``, ``gemini``) until it is started again."""
        service = self._service(name)
        self._pause(name, True)

        def paused() -> bool:
            state = self._state_of(name)
            return state is not None and state.state == "paused"

        if not until(paused, service.stop_seconds + 5):
            raise StackError(f"{name} does not stop; its log is {self._paths.log(name)}")

    def start_service(self, name: str) -> None:
        """Start a stopped service on its old port and wait until it is ready."""
        self._pause(name, False)
        self._await_ready(read_spec(self._paths.spec), [name])

    def restart(self, name: str) -> None:
        """Stop a service, start it again on its port and wait until it is ready."""
        self.stop_service(name)
        self.start_service(name)

    def kill(self, name: str) -> None:
        """Kill the process of a service (SIGKILL); returns when the supervisor has it ready again."""
        self._service(name)
        state = self._state_of(name)
        if state is None or state.pid is None:
            raise StackError(f"{name} is not running")
        old = state.pid
        with suppress(psutil.NoSuchProcess):
            psutil.Process(old).kill()

        def replaced() -> bool:
            now = self._state_of(name)
            return now is not None and now.pid not in (None, old)

        until(replaced, READY_SECONDS)
        self._await_ready(read_spec(self._paths.spec), [name])

    def _operation(self) -> AbstractContextManager[int]:
        return file_lock(
            self._paths.operation_lock,
            what="another `ticketstream up` or `down` is at work on this data directory",
            seconds=OPERATION_SECONDS,
        )

    def _planned(self, options: StackOptions, external: dict[str, str], parts: Parts) -> StackSpec:
        before = read_spec(self._paths.spec)
        state = read_state(self._paths.state) if self.is_running() else None
        running = [service.name for service in state.services if service.pid] if state else []
        spec = plan_spec(self._paths, options, before, running, external)
        return with_services(self._paths, spec, parts)

    def _write_spec(self, spec: StackSpec, parts: Parts) -> None:
        if parts.java and parts.kafka_lib:
            kafka.prepare(self._paths, spec.ports, java=parts.java, lib=parts.kafka_lib)
        write_record(self._paths.spec, spec)

    def _launch(self, spec: StackSpec, parts: Parts, lock: int) -> None:
        """Start a supervisor; it inherits the operation's lock and gives it back once it can be found."""
        self._end_left_overs()
        self._write_spec(spec, parts)
        log = self._paths.log("supervisor")
        rotate(log)
        with log.open("ab") as output:
            process = self._supervisor = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "ticketstream.local.stack.supervisor",
                    str(self._paths.data_dir),
                    str(lock),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self._paths.stack,
                env=clean_environment(),
                pass_fds=[lock],
                start_new_session=True,
            )
        if not until(lambda: self.is_running() or process.poll() is not None, 15) or not self.is_running():
            process.kill()
            raise StackError(f"the supervisor does not start: {log_tail(log)} (log: {log})")

    def _wake_supervisor(self) -> None:
        supervisor = lock_holder(self._paths.supervisor_lock)
        if supervisor is None:
            raise StackError("the local stack is not running: start it with `ticketstream up`")
        os.kill(supervisor, signal.SIGHUP)

    def _supervisor_gone(self) -> bool:
        if self._supervisor:
            self._supervisor.poll()  # our own child stays a zombie until it is waited for
        return not self.is_running()

    def _end_left_overs(self) -> None:
        """End services that outlived a supervisor that was killed (where the kernel did not do it)."""
        state = read_state(self._paths.state)
        if state:
            end_processes((service.pid, service.created) for service in state.services)

    def _await_ready(self, spec: StackSpec, names: list[str]) -> None:
        ComingUp(self._paths, spec, self._given, self.is_running).wait(names, self._progress)

    def _pause(self, name: str, paused: bool) -> None:
        self._service(name)
        with self._operation():
            write_record(self._paths.spec, read_spec(self._paths.spec).with_paused(name, paused))
            self._wake_supervisor()

    def _service(self, name: str) -> ServiceSpec:
        service = read_spec(self._paths.spec).service(name)
        if service is None or not self.is_running():
            raise StackError(f"{name} is not a running service of the local stack in {self._paths.data_dir}")
        return service

    def _state_of(self, name: str) -> ServiceState | None:
        state = read_state(self._paths.state)
        return state.service(name) if state else None
