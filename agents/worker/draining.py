"""A worker that only finishes what others have begun: ``python -m agents.worker.draining``.

It embeds and indexes what lies behind enrich. It takes in no change and no command, follows no account and
runs no import, so an end is in sight. Whoever starts it looks at the offsets, and stops it; should that
process be killed, it ends at once.
"""

from __future__ import annotations

import asyncio
import ctypes
import signal
import sys
from typing import Any, Final

from agents.app.faust_app import Stages, Takes

_PR_SET_PDEATHSIG: Final = 1
"""From Linux' prctl.h."""


class Draining:
    """The stages of such a worker; ``whole`` are those of any other."""

    def __init__(self, whole: Stages) -> None:
        self._whole = whole
        self.enrich_live = self.enrich_backfill = self.imports = _Closed()

    @property
    def embed(self) -> Takes:
        """Takes ``tickets.enriched``."""
        return self._whole.embed

    @property
    def index(self) -> Takes:
        """Takes ``tickets.embedded``."""
        return self._whole.index

    async def start(self) -> None:
        """Open clients; called once before the agents start."""
        await self._whole.start()


class _Closed:
    async def put(self, _: Any) -> None:
        """Take in nothing: what is not acknowledged is there for the next worker."""
        await asyncio.Event().wait()


if __name__ == "__main__":
    from agents.worker.process import main

    # As after any kill -9 nothing is lost; a worker that went on would stop whoever wants to begin again.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    sys.exit(main(draining=True))
