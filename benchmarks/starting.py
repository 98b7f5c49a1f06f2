"""A worker whose sizes begin elsewhere than usual: ``python -m benchmarks.starting``.

The environment's ``BENCHMARK_START``: how many tickets, and how many embedding calls, are in flight at first.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from agents.knowledge.embed import build as embedding
from agents.tickets import gates
from agents.worker.process import main

VARIABLE: Final = "BENCHMARK_START"

if __name__ == "__main__":
    start = int(os.environ[VARIABLE])
    vars(gates)["BEGIN_IN_FLIGHT"] = start
    vars(embedding)["BEGIN_CALLS"] = start
    sys.exit(main())
