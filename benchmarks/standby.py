"""A worker with another number of standby replicas: ``python -m benchmarks.standby``.

The environment's ``BENCHMARK_STANDBY`` is how many other workers hold a copy of each table's partition.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from agents.app import faust_app as app
from agents.worker.process import main

VARIABLE: Final = "BENCHMARK_STANDBY"

if __name__ == "__main__":
    vars(app)["_STANDBY_REPLICAS"] = int(os.environ[VARIABLE])
    sys.exit(main())
