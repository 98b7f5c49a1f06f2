"""Processes: started with a small environment, told apart from recycled ids, ended."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from typing import Final

import psutil

PASSED_ON: Final = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "TZ", "JAVA_HOME")


def clean_environment(**extra: str) -> dict[str, str]:
    """Return a small environment for a child: no setting or secret of ours reaches it by accident."""
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ} | extra


def created(pid: int) -> float | None:
    """Return when a process was created (Unix seconds), or None when there is none or it is a zombie."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return None


def same_process(pid: int | None, when: float | None) -> bool:
    """Say whether the process noted down still runs, and its id was not given to another one."""
    now = created(pid) if pid else None
    return now is not None and when is not None and abs(now - when) < 0.5


def end_processes(noted: Iterable[tuple[int | None, float | None]], patience: float = 10.0) -> None:
    """End processes noted down as (id, created): first asked, after ``patience`` seconds killed."""
    alive = [psutil.Process(pid) for pid, when in noted if pid and same_process(pid, when)]
    for process in alive:
        _signal(process, signal.SIGTERM)
    _, stubborn = psutil.wait_procs(alive, timeout=patience)
    for process in stubborn:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(stubborn, timeout=5)


def _signal(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.Error:
        return
