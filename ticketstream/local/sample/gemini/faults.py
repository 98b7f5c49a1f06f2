"""The faults in force, switched on and off at run time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ticketstream.local.sample.gemini.messages import Fault


class Faults:
    """Gives each call at most one fault: the oldest that applies and is not used up."""

    def __init__(self) -> None:
        self._active: list[Fault] = []
        self.released = asyncio.Event()
        """Set when the faults are removed: a hanging call ends."""

    def add(self, fault: Fault) -> None:
        """Put a fault in force."""
        self.released = asyncio.Event()
        self._active.append(fault)

    def clear(self) -> None:
        """Remove all faults."""
        self._active.clear()
        self.released.set()

    def next(self, texts: Sequence[str]) -> Fault | None:
        """Return the fault for a call with these texts."""
        for fault in self._active:
            if fault.containing and not any(fault.containing in text for text in texts):
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self._active.remove(fault)
            return fault
        return None
