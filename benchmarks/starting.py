"""A worker whose sizes begin elsewhere than usual: ``python -m benchmarks.starting``.

The environment's ``BENCHMARK_START``: how many tickets, and how many embedding calls, are in flight at first.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from agents.worker import plan as pipeline
from agents.worker.process import main

VARIABLE: Final = "BENCHMARK_START"

if __name__ == "__main__":
    start = int(os.environ[VARIABLE])
    vars(pipeline).update(_WORKING=start, _EMBEDDING=start)
    sys.exit(main())
