"""Waits until the services of a stack are ready, and says why one never will be."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from schemas.errors import StackError
from schemas.settings.load import PREFIX, Settings
from ticketstream.local.stack.build import log_tail
from ticketstream.local.stack.layout import StackPaths
from ticketstream.local.stack.records import StackSpec, read_state
from ticketstream.local.stack.status import is_ready
from ticketstream.operations.progress import ProgressHook

READY_SECONDS: Final = 180.0
MOST_EXITS: Final = 3
"""A service that ended this often while the stack starts will not come up."""


def check_external(external: Mapping[str, str], given: Settings | None) -> None:
    """Raise StackError when a service that is not the stack's own does not answer at its address."""
    for name in ("kafka", "weaviate"):
        if name in external and not is_ready(name, StackSpec(external=dict(external)), given):
            variable = "KAFKA__BOOTSTRAP_SERVERS" if name == "kafka" else "WEAVIATE__HTTP_URL"
            raise StackError(
                f"{name.title()} at {external[name]} does not answer: start it, or unset "
                f"{PREFIX}{variable} to have one started"
            )


@dataclass(frozen=True, slots=True)
class ComingUp:
    """A stack whose services start; ``is_running`` says whether its supervisor is there."""

    paths: StackPaths
    spec: StackSpec
    given: Settings | None
    is_running: Callable[[], bool]

    def wait(self, names: Sequence[str], progress: ProgressHook) -> None:
        """Wait until these services are ready; raises StackError when one is late, or never will be."""
        waiting = list(names)
        deadline = time.monotonic() + READY_SECONDS
        while waiting:
            titles = [service.title for service in self.spec.services if service.name in waiting]
            progress("starting", ", ".join(titles))
            for name in list(waiting):
                if self._came_up(name):
                    waiting.remove(name)
            if waiting and time.monotonic() > deadline:
                log = self.paths.log(waiting[0])
                raise StackError(
                    f"{titles[0]} is not ready after {READY_SECONDS:.0f} s: {log_tail(log)} (log: {log})"
                )
            if waiting:
                time.sleep(0.1)

    def _came_up(self, name: str) -> bool:
        """Say whether a service is ready; raises StackError when it never will be."""
        if not self.is_running():
            raise StackError("the local stack was stopped while it started: start it with `ticketstream up`")
        state, service = read_state(self.paths.state), self.spec.service(name)
        known = state.service(name) if state else None
        if service is None or known is None or known.fingerprint != service.fingerprint():
            return False  # the supervisor has not come to it yet
        if known.exits >= MOST_EXITS:
            log = self.paths.log(name)
            raise StackError(
                f"{service.title} ended {known.exits} times while starting ({known.last_exit}): "
                f"{log_tail(log)} (log: {log})"
            )
        return known.state == "running" and is_ready(name, self.spec, self.given)


def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until the condition holds; say whether it did within ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
