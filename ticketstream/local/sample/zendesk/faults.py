"""Faults that can be switched on while the server runs."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from random import Random
from typing import Literal

import msgspec

FaultKind = Literal["rate_limit", "error", "hang", "drop", "cut", "truncated", "html", "slow"]


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong, where, and for how long.

    ``rate_limit`` answers 429; ``error`` answers ``status``, a redirect with another address; ``hang`` is
    silent for ``hang_seconds`` and then drops the connection; ``drop`` drops it at once; ``cut`` drops it
    half-way through the real answer; ``truncated`` answers well-formed HTTP with the first half of the
    JSON; ``html`` answers 200 with a page that is not JSON; ``slow`` gives the real answer ``slow_seconds``
    later. It strikes paths in which the regular expression ``path`` is found, with ``probability``,
    ``count`` times or for ``seconds`` (whichever ends first; without both until it is taken back).
    """

    kind: FaultKind
    path: str = ""
    status: int = 500
    retry_after: float | None = None
    hang_seconds: float = 600
    slow_seconds: float = 1.0
    count: int | None = None
    seconds: float | None = None
    probability: float = 1.0


class _Armed:
    def __init__(self, fault: Fault, now: float) -> None:
        self.fault = fault
        self.pattern = re.compile(fault.path)
        self.left = fault.count
        self.until = None if fault.seconds is None else now + fault.seconds
        self.struck = 0


class Faults:
    """The faults in force; ``seed`` makes their chances repeatable."""

    def __init__(self, seed: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._random = Random(seed)
        self._armed: list[_Armed] = []

    @property
    def active(self) -> bool:
        """Whether any fault is set."""
        return bool(self._armed)

    def set(self, faults: list[Fault]) -> None:
        """Replace all faults; raises ValueError when a path is no regular expression."""
        try:
            self._armed = [_Armed(fault, self._clock()) for fault in faults]
        except re.error as error:
            raise ValueError(f"path is no regular expression: {error}") from error

    def choose(self, path: str) -> Fault | None:
        """Return the fault that strikes a call now, if one does."""
        now = self._clock()
        for armed in self._armed:
            if armed.left == 0 or (armed.until is not None and now >= armed.until):
                continue
            if armed.pattern.search(path) and self._random.random() < armed.fault.probability:
                if armed.left is not None:
                    armed.left -= 1
                armed.struck += 1
                return armed.fault
        return None

    def as_list(self) -> list[dict[str, object]]:
        """Return each fault with how often it struck and how often it may still strike."""
        return [
            {**msgspec.to_builtins(armed.fault), "struck": armed.struck, "left": armed.left}
            for armed in self._armed
        ]
