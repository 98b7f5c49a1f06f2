"""The texts of a window, and the calls that were made for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from schemas.lanes import Lane


@dataclass(frozen=True, slots=True)
class WindowText:
    """A text, its tokens (estimated), the lane it came by, and who asked for it."""

    text: str
    tokens: int
    lane: Lane
    caller_span: Any = None


@dataclass(slots=True)
class CallTally:
    """Calls made for a window, until they are put down to one of its texts."""

    calls: int = 0

    def spend(self) -> int:
        """Return the calls that nobody has been charged with; from now on somebody has."""
        calls, self.calls = self.calls, 0
        return calls
