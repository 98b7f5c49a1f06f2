"""The supervisor with small programs instead of Kafka and Weaviate."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

from ticketstream.local.stack.layout import StackPaths
from ticketstream.local.stack.processes import created, end_processes, same_process
from ticketstream.local.stack.records import ServiceSpec, ServiceState, StackSpec, read_state, write_record
from ticketstream.local.stack.supervisor import back_off, rotate
from ticketstream.operations.locks import lock_holder

SLEEP = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"


def until(condition: Callable[[], object], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class Running:
    """A supervisor of a temporary data directory."""

    def __init__(self, folder: Path) -> None:
        self.paths = StackPaths.of(folder)
        self.paths.prepare()
        self.process: subprocess.Popen[bytes] | None = None

    def service(self, name: str, script: str, stop_seconds: float = 5.0) -> ServiceSpec:
        return ServiceSpec(
            name=name,
            title=name,
            argv=[sys.executable, "-c", script],
            environment={},
            cwd="/",
            log=str(self.paths.log(name)),
            address="nowhere",
            stop_seconds=stop_seconds,
        )

    def start(self, *services: ServiceSpec) -> None:
        write_record(self.paths.spec, StackSpec(services=list(services)))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ticketstream.local.stack.supervisor", str(self.paths.data_dir)]
        )
        assert until(lambda: lock_holder(self.paths.supervisor_lock))
        assert until(lambda: all(self.up(service.name) for service in services))

    def change(self, spec: StackSpec) -> None:
        write_record(self.paths.spec, spec)
        self.supervisor.send_signal(signal.SIGHUP)

    @property
    def supervisor(self) -> subprocess.Popen[bytes]:
        assert self.process
        return self.process

    def state(self, name: str) -> ServiceState | None:
        state = read_state(self.paths.state)
        return state.service(name) if state else None

    def pid(self, name: str) -> int:
        state = self.state(name)
        return state.pid or 0 if state else 0

    def up(self, name: str) -> bool:
        log = self.paths.log(name)
        return self.pid(name) > 0 and log.is_file() and "up" in log.read_text()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path / "data")
    yield running
    if running.process and running.process.poll() is None:
        running.process.kill()
        running.process.wait()


def test_sigterm_ends_every_child_also_one_that_does_not_listen(running: Running) -> None:
    running.start(running.service("good", SLEEP), running.service("bad", STUBBORN, stop_seconds=0.3))
    pids = [running.pid("good"), running.pid("bad")]
    assert lock_holder(running.paths.supervisor_lock) == running.supervisor.pid
    running.supervisor.terminate()
    assert running.supervisor.wait(10) == 0
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert lock_holder(running.paths.supervisor_lock) is None
    assert not running.paths.state.exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends children with their parent")
def test_children_end_with_a_supervisor_that_is_killed(running: Running) -> None:
    running.start(running.service("bad", STUBBORN))
    pid = running.pid("bad")
    running.supervisor.kill()
    assert until(lambda: created(pid) is None)
    assert lock_holder(running.paths.supervisor_lock) is None


def test_a_child_that_dies_is_started_again(running: Running) -> None:
    running.start(running.service("x", SLEEP))
    old = running.pid("x")
    os.kill(old, signal.SIGKILL)
    assert until(lambda: running.pid("x") not in (0, old))
    state = running.state("x")
    assert state
    assert (state.exits, state.last_exit) == (1, "signal 9")


def test_a_child_that_cannot_start_is_tried_again_and_says_why(running: Running) -> None:
    broken = msgspec.structs.replace(running.service("x", SLEEP), argv=["/no/such/program"])
    running.start()
    running.change(StackSpec(services=[broken]))
    assert until(lambda: (state := running.state("x")) and state.exits >= 2)
    state = running.state("x")
    assert state
    assert "No such file" in state.last_exit


def test_services_are_paused_added_changed_and_removed_while_the_others_run(running: Running) -> None:
    first, second = running.service("first", SLEEP), running.service("second", SLEEP)
    running.start(first)
    kept = running.pid("first")

    both = StackSpec(services=[first, second])
    running.change(both)
    assert until(lambda: running.up("second"))
    running.change(both.with_paused("second", True))
    assert until(lambda: (state := running.state("second")) and state.state == "paused")
    assert running.pid("second") == 0
    running.change(both)
    assert until(lambda: running.pid("second"))
    old = running.pid("second")
    changed = msgspec.structs.replace(second, environment={"A": "1"})
    running.change(StackSpec(services=[first, changed]))
    assert until(lambda: running.pid("second") not in (0, old))
    state = running.state("second")
    assert state
    assert state.fingerprint == changed.fingerprint()
    running.change(StackSpec(services=[first]))
    assert until(lambda: running.state("second") is None)
    assert running.pid("first") == kept


def test_a_second_supervisor_of_the_same_folder_gives_up(running: Running) -> None:
    running.start(running.service("x", SLEEP))
    second = subprocess.run(
        [sys.executable, "-m", "ticketstream.local.stack.supervisor", str(running.paths.data_dir)],
        timeout=30,
        check=False,
    )
    assert second.returncode == 1
    assert lock_holder(running.paths.supervisor_lock) == running.supervisor.pid


def test_children_get_no_blocked_signals_and_no_open_files_of_ours(running: Running) -> None:
    script = "import os, time; print('up', sorted(os.listdir('/proc/self/fd')), flush=True); time.sleep(600)"
    running.start(running.service("x", script))
    # 0 to 2, and the one that lists the folder
    assert "['0', '1', '2', '3']" in running.paths.log("x").read_text()
    status = Path(f"/proc/{running.pid('x')}/status").read_text()
    assert "SigBlk:\t0000000000000000" in status


def test_a_recycled_process_id_is_not_taken_for_ours() -> None:
    child = subprocess.Popen([sys.executable, "-c", SLEEP], stdout=subprocess.DEVNULL)
    try:
        when = created(child.pid)
        assert when
        assert same_process(child.pid, when)
        assert not same_process(child.pid, when - 60)
        end_processes([(child.pid, when - 60), (None, None)])
        assert child.poll() is None
        end_processes([(child.pid, when)])
        assert created(child.pid) is None
    finally:
        child.kill()
        child.wait()


def test_pauses_between_starts_grow_to_ten_seconds() -> None:
    assert [back_off(exits) for exits in range(1, 8)] == [0.5, 1, 2, 4, 8, 10, 10]


def test_the_logs_of_the_last_three_runs_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    for number in range(6):
        log.write_text(str(number))
        rotate(log)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "x.log.1": "5",
        "x.log.2": "4",
        "x.log.3": "3",
    }
