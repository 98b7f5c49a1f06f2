"""A clock that can be stepped: read by every Python process that has this folder in its PYTHONPATH.

The file named by FAULTS_CLOCK holds the seconds, as text, by which the wall clock is wrong; it is read
at each look at the clock. Only the wall clock of Python is stepped (``time.time`` and ``time.time_ns``, which
is where the workers, Faust and aiokafka look): the monotonic clock goes on, as it does on a machine
whose clock is set.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

_FILE = os.environ.get("FAULTS_CLOCK")

if _FILE:
    _path = Path(_FILE)
    _time, _time_ns = time.time, time.time_ns

    def _offset() -> float:
        try:
            return float(_path.read_text() or 0)
        except OSError:
            return 0.0

    def _stepped() -> float:
        return _time() + _offset()

    def _stepped_ns() -> int:
        return _time_ns() + int(_offset() * 1_000_000_000)

    time.time, time.time_ns = _stepped, _stepped_ns
