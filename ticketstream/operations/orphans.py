"""Child processes that the kernel ends when their parent ends, in whatever way: even killed with SIGKILL.

Only Linux can; elsewhere whoever starts processes must find what was left over.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
"""From linux/prctl.h: the signal a process gets when its parent ends."""


def die_with_parent(when_orphaned: signal.Signals = signal.SIGKILL) -> None:
    """Have this process get a signal when its parent ends; does nothing where the kernel cannot."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, when_orphaned, 0, 0, 0)


def dies_with_parent(when_orphaned: signal.Signals = signal.SIGKILL) -> Callable[[], None] | None:
    """Return a ``preexec_fn`` with which a child gets a signal when this process ends in any way.

    None where the kernel cannot.
    """
    if not sys.platform.startswith("linux"):
        return None
    # Everything is looked up before the fork: little is safe between fork and exec.
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def prepare() -> None:
        prctl(_PR_SET_PDEATHSIG, when_orphaned, 0, 0, 0)
        if os.getppid() != parent:  # it ended before the line above
            os._exit(1)

    return prepare
