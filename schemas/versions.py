"""Which of two states of a ticket is the newer one."""

from __future__ import annotations

from enum import Enum
from typing import Protocol


class Known(Protocol):
    """What is remembered of the newest state: its version and a digest of its content."""

    version: int
    digest: str


class Standing(Enum):
    """How a state stands against the newest one known."""

    NEW = "new"
    DUPLICATE = "duplicate"
    STALE = "stale"


def standing(version: int, digest: str, known: Known | None) -> Standing:
    """Return how a state stands: older is stale, same version and content is a duplicate.

    The same version with another content is new: Zendesk's timestamps have whole seconds, and a
    ticket can change twice in one.
    """
    if known is None or version > known.version:
        return Standing.NEW
    if version < known.version:
        return Standing.STALE
    return Standing.DUPLICATE if digest == known.digest else Standing.NEW
