"""File locks that the kernel releases when their holder ends, however it ends."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import StackError


@contextmanager
def file_lock(path: Path, *, what: str, seconds: float) -> Iterator[int]:
    """Hold an exclusive lock on a file and yield its descriptor; a child may inherit and keep it.

    Waits up to ``seconds``, then raises StackError saying that ``what`` is going on elsewhere.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + seconds
    try:
        while not try_lock(handle):
            if time.monotonic() > deadline:
                raise StackError(f"{what} (it holds {path}): wait for it, or end it, then try again")
            time.sleep(0.1)
        yield handle
    finally:
        os.close(handle)


def try_lock(handle: int) -> bool:
    """Take the lock of an open file if nobody holds it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lock_holder(path: Path) -> int | None:
    """Return the process id written in a file that is locked now, or None when nobody holds the lock."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if try_lock(handle):
            return None
        text = os.read(handle, 32).decode(errors="replace").strip()
        return int(text) if text.isdigit() else None
    finally:
        os.close(handle)
