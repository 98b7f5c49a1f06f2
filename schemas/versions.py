"""Which of two states of a ticket is the newer one."""

from __future__ import annotations

from enum import Enum
from typing import Protocol


class Known(Protocol):
    """What is remembered of the newest state: its version and a digest of its content."""

    version: int
    digest: str


class Seen(Known, Protocol):
    """What is remembered of the newest state enrich has sent on."""

    from_file: bool
    partial: bool


class Standing(Enum):
    """How a state stands against the newest one known."""

    NEW = "new"
    DUPLICATE = "duplicate"
    STALE = "stale"
    POORER = "poorer"
    """It has not the comments that are known, though it is newer."""


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


def standing_of_file(version: int, digest: str, known: Seen | None, *, partial: bool) -> Standing:
    """Return how a state that a file tells of stands.

    A file may be old or left incomplete, so it never changes what the account has told of the same version;
    and a description alone (``partial``) never takes the place of a ticket with its comments.
    """
    where = standing(version, digest, known)
    if known is None or where is not Standing.NEW:
        return where
    if version == known.version and not known.from_file:
        return Standing.STALE
    return Standing.POORER if partial and not known.partial else Standing.NEW
