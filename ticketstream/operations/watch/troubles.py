"""What the workers say they cannot do now, from ``workers.states``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from schemas.codec import decode
from schemas.errors import PermanentError
from schemas.messages.workers import Trouble, WorkerState
from schemas.topics import WORKER_STATES

AGED_SECONDS: Final = 60.0
"""A worker says its troubles three times a minute: one that does not has gone."""
_WORST_FIRST: Final = ("login", "export", "answers")


class TroubleBook:
    """The newest state of each worker of an account."""

    def __init__(self, account: str) -> None:
        self._prefix = f"{account}:".encode()
        self._states: dict[bytes, WorkerState] = {}

    def add(self, raw: Any) -> None:
        """Take in a message of the topic."""
        if raw.topic != WORKER_STATES or not (raw.key or b"").startswith(self._prefix):
            return
        try:
            self._states[raw.key] = decode(WorkerState, raw.value, raw.headers)
        except PermanentError:
            self._states.pop(raw.key, None)

    def worst(self, now: float) -> Trouble | None:
        """Return the worst trouble at a moment (Unix seconds), the longest of its kind; None without any."""
        found = [
            trouble
            for state in self._states.values()
            if now - state.at <= AGED_SECONDS
            for trouble in state.troubles
        ]
        return min(found, key=lambda one: (_WORST_FIRST.index(one.kind), one.since), default=None)


def words_of(trouble: Trouble) -> str:
    """Return a trouble as one line for people: what, since when, and what to do."""
    since = datetime.fromtimestamp(trouble.since, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    if trouble.kind == "login":
        what, then = (
            "Zendesk refuses the login",
            "nothing is lost, and all goes on by itself when it is mended",
        )
    elif trouble.kind == "export":
        what = "Zendesk refuses its export"
        then = "live changes and imports wait, what is here already goes on"
    else:
        what, then = "Zendesk gives no usable answer", "it is tried again until it does"
    return f"{what} since {since}: {trouble.reason}; {then}"
