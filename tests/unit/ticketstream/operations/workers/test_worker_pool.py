"""Worker processes: started again when they die, ever later; stopped together. With a stand-in command."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from ticketstream.operations.workers import pool as module
from ticketstream.operations.workers.pool import WorkerPool


class FakeProcess:
    pids = iter(range(100, 10_000))

    def __init__(self) -> None:
        self.pid = next(self.pids)
        self.status: int | None = None
        self.stubborn = False
        self.signals: list[int] = []

    def poll(self) -> int | None:
        return self.status

    def send_signal(self, number: int) -> None:
        self.signals.append(number)
        if not self.stubborn:
            self.status = 0

    def wait(self, timeout: float | None = None) -> int:
        if self.status is None:
            raise subprocess.TimeoutExpired("worker", timeout or 0)
        return self.status

    def kill(self) -> None:
        self.status = -signal.SIGKILL


class PoolBench:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.started: list[FakeProcess] = []
        self.notes: list[str] = []
        self.pool = WorkerPool(2, note=self.notes.append)
        monkeypatch.setattr(WorkerPool, "_spawn", lambda _: self.spawn())
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now)

    def spawn(self) -> Any:
        self.started.append(FakeProcess())
        return self.started[-1]

    def look_until_started(self, count: int, step: float = 0.25) -> float:
        """Let time pass until so many were started in all; return how long that took."""
        begun = self.now
        while True:
            self.pool.look()
            if len(self.started) >= count:
                return self.now - begun
            assert self.now - begun < 60
            self.now += step


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> PoolBench:
    return PoolBench(monkeypatch)


def test_all_are_started_and_left_alone_while_they_run(bench: PoolBench) -> None:
    bench.pool.start()
    bench.pool.look()
    assert len(bench.started) == 2
    assert bench.pool.pids == [process.pid for process in bench.started]
    assert bench.notes == []


def test_one_that_dies_is_started_again_at_once_and_the_other_left_alone(bench: PoolBench) -> None:
    bench.pool.start()
    first, second = bench.started
    bench.now += 5
    first.status = -signal.SIGKILL
    assert bench.look_until_started(3) == 0
    assert bench.pool.pids == [bench.started[2].pid, second.pid]
    assert bench.notes == [f"worker {first.pid} ended (signal SIGKILL); starting it again"]


def test_one_that_dies_again_and_again_is_started_ever_later(bench: PoolBench) -> None:
    bench.pool.start()
    pauses = []
    for count in range(3, 10):
        bench.started[0 if count == 3 else -1].status = 1
        pauses.append(bench.look_until_started(count))
    assert pauses == [0, 1, 2, 4, 8, 8, 8]
    assert len(bench.notes) == 7  # one for each death, not one for each look
    assert bench.notes[0].endswith("ended (exit status 1); starting it again")


def test_a_healthy_while_forgives_what_was(bench: PoolBench) -> None:
    bench.pool.start()
    for count in range(3, 7):
        bench.started[0 if count == 3 else -1].status = 1
        bench.look_until_started(count)
    bench.now += 31
    bench.started[-1].status = 1
    assert bench.look_until_started(7) == 0
    bench.started[-1].status = 1
    assert bench.look_until_started(8) == 1


def test_stopping_asks_all_and_kills_who_does_not_listen(bench: PoolBench) -> None:
    bench.pool.start()
    polite, stubborn = bench.started
    stubborn.stubborn = True
    bench.pool.stop()
    assert (polite.status, stubborn.status) == (0, -signal.SIGKILL)
    assert polite.signals == stubborn.signals == [signal.SIGHUP]  # none hands its partitions to another
    assert bench.notes == [f"worker {stubborn.pid} did not stop in 30 s and is killed"]
    assert bench.pool.pids == []


def test_one_that_stops_alone_hands_its_partitions_over(bench: PoolBench) -> None:
    bench.pool.count = 1
    bench.pool.start()
    bench.pool.stop()
    (only,) = bench.started
    assert only.signals == [signal.SIGTERM]


def test_watching_ends_when_asked(bench: PoolBench) -> None:
    bench.pool.start()
    bench.pool.ask_to_stop()
    bench.pool.watch()
    assert all(not process.signals for process in bench.started)


@pytest.fixture
def sleeper(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[list[str]]]:
    """A stand-in for the worker's command: a process that only sleeps."""
    real = subprocess.Popen
    commands: list[list[str]] = []

    def popen(command: list[str], **options: Any) -> Any:
        commands.append(command)
        return real(["sleep", "60"], **options)  # a Python that still starts would end by an exception

    monkeypatch.setattr(module.subprocess, "Popen", popen)
    yield commands


def test_real_processes_are_started_again_and_none_is_left(sleeper: list[list[str]]) -> None:
    pool = WorkerPool(2)
    pool.start()
    try:
        assert sleeper == [[sys.executable, "-m", "agents.worker"]] * 2
        first, second = pool._children
        first.process.kill()
        first.process.wait(10)
        pool.look()
        pids = pool.pids
        assert len(pids) == 2
        assert second.process.pid in pids
    finally:
        pool.stop()
    assert pool.pids == []
    assert {child.process.returncode for child in pool._children} == {-signal.SIGHUP}
