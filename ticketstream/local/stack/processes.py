"""Processes: started so that they cannot outlive their parent, told apart from recycled ids, ended."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterable
from typing import Final

import psutil

PR_SET_PDEATHSIG: Final = 1
"""From linux/prctl.h: the signal a process gets when its parent ends."""
PASSED_ON: Final = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "TZ", "JAVA_HOME")


def clean_environment(**extra: str) -> dict[str, str]:
    """Return a small environment for a child: no setting or secret of ours reaches it by accident."""
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ} | extra


def dies_with_parent() -> Callable[[], None] | None:
    """Return a ``preexec_fn`` with which the kernel kills the child when its parent ends in any way.

    Only Linux can; elsewhere it is None, and what is left over is ended by the next ``up`` or ``down``.
    """
    if not sys.platform.startswith("linux"):
        return None
    # Everything is looked up before the fork: little is safe between fork and exec.
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def prepare() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it ended before the line above
            os._exit(1)

    return prepare


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
