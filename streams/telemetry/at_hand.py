"""The message at hand: what log lines say of it, wherever they are logged."""

from __future__ import annotations

import contextvars
from typing import Any, Final, Protocol


class AtHand(Protocol):
    """A message while somebody works on it."""

    @property
    def is_open(self) -> bool:
        """Whether the work goes on."""

    def fields(self) -> dict[str, Any]:
        """Return what a log line says of the message."""


_CURRENT: Final[contextvars.ContextVar[AtHand]] = contextvars.ContextVar("at_hand")


def take_in_hand(message: AtHand) -> None:
    """Have the log lines of this task, and of those it starts, tell of a message as long as it is open."""
    _CURRENT.set(message)


def handled_fields() -> dict[str, Any]:
    """Return what is known of the message at hand; empty where none is."""
    at_hand = _CURRENT.get(None)
    return at_hand.fields() if at_hand is not None and at_hand.is_open else {}
