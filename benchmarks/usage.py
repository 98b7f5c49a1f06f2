"""What processes use: processor seconds, and memory once a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

import msgspec
import psutil

_EVERY_SECONDS: Final = 1.0
_MB: Final = 1024 * 1024


class ProcessUse(msgspec.Struct, kw_only=True):
    """What one process used between two moments; memory is the resident set, in MB."""

    cpu_seconds: float
    memory_before: float
    memory_peak: float
    memory_after: float


class UsageMeter:
    """Measures processes while it is entered; ``result`` holds each by name afterwards.

    ``memory`` holds the resident set of each, in MB, once a second. A process that ended meanwhile counts
    up to its last sample.
    """

    def __init__(self, processes: Mapping[str, psutil.Process]) -> None:
        self.result: dict[str, ProcessUse] = {}
        self.memory: dict[str, list[float]] = {name: [] for name in processes}
        self._processes = dict(processes)
        self._began: dict[str, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        for name, process in self._processes.items():
            cpu, memory = _now(process)
            self._began[name] = cpu
            self.result[name] = ProcessUse(
                cpu_seconds=0, memory_before=memory, memory_peak=memory, memory_after=memory
            )
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._look()

    def _sample(self) -> None:
        while not self._ended.wait(_EVERY_SECONDS):
            self._look()

    def _look(self) -> None:
        for name, process in self._processes.items():
            with suppress(psutil.NoSuchProcess):
                cpu, memory = _now(process)
                use = self.result[name]
                use.cpu_seconds = round(cpu - self._began[name], 2)
                use.memory_after = memory
                self.memory[name].append(memory)
                use.memory_peak = max(use.memory_peak, memory)


def _now(process: psutil.Process) -> tuple[float, float]:
    times = process.cpu_times()
    return times.user + times.system, round(process.memory_info().rss / _MB, 1)


def quiet_down(processes: Mapping[str, psutil.Process], *, below: float = 0.1, at_most: float = 20.0) -> None:
    """Wait until the processes use hardly any processor time (a share of one core), at most so long.

    What one measurement leaves to be done must not fall into the next.
    """
    deadline = time.monotonic() + at_most
    before = sum(_now(process)[0] for process in processes.values())
    while time.monotonic() < deadline:
        time.sleep(1.0)
        after = sum(_now(process)[0] for process in processes.values())
        if after - before < below:
            return
        before = after
