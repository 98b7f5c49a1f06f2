"""``python -m agents.worker``: one worker; with ``draining`` it only finishes what others have begun."""

from __future__ import annotations

import sys
from typing import Final

from agents.worker.plan import PlanOf, draining, whole
from agents.worker.process import main

_PLANS: Final[dict[tuple[str, ...], PlanOf]] = {(): whole, ("draining",): draining}

if __name__ == "__main__":
    sys.exit(main(plan=_PLANS[tuple(sys.argv[1:])]))
