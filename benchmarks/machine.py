"""What figures depend on: the machine, the versions, the commit."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psutil

from benchmarks.results import Machine
from ticketstream.local.stack import kafka, weaviate

_ROOT: Final = Path(__file__).parents[1]
_MEASURED: Final = ("schemas", "streams", "agents", "ticketstream", "benchmarks", "requirements.lock")


def this_machine() -> Machine:
    """Return this machine, now."""
    return Machine(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        memory_gb=round(psutil.virtual_memory().total / 1e9, 1),
        system=_system(),
        python=platform.python_version(),
        kafka=kafka.VERSION,
        weaviate=weaviate.VERSION,
        commit=_commit(),
        load=round(os.getloadavg()[0], 1),
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _system() -> str:
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.platform()
    return f"{name}, {platform.system()} {platform.release()}"


def _commit() -> str:
    """Return the commit, marked when what is measured differs from it; "unknown" outside a git work tree."""
    try:
        head = _git("rev-parse", "--short=10", "HEAD").strip()
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", *_MEASURED)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head} with changes" if changed.strip() else head


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(_ROOT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
