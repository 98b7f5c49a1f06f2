"""``python -m agents.worker``: the process of one worker."""

from __future__ import annotations

import sys

from agents.worker.process import main

if __name__ == "__main__":
    sys.exit(main())
