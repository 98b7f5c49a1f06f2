"""Replays: messages that go through the pipeline once more, and how they are told from others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from schemas.topics import CHANGES, EMBEDDED, ENRICHED

ReplayFrom = Literal["changes", "enriched", "embedded"]

REPLAY_HEADER: Final = "replay"
"""Kafka header of a replayed message: the id of the replay. It travels on from stage to stage."""

REPLAYED_TOPIC: Final[dict[ReplayFrom, str]] = {
    "changes": CHANGES,
    "enriched": ENRICHED,
    "embedded": EMBEDDED,
}


def replay_of(headers: Iterable[tuple[str, bytes]] | None) -> str:
    """Return the id of the replay a message belongs to, ``""`` for a message that is not replayed."""
    found = next((raw for name, raw in headers or () if name == REPLAY_HEADER), b"")
    return found.decode("utf-8", "replace")


def replay_headers(replay_id: str) -> list[tuple[str, bytes]]:
    """Return the headers that mark a message as replayed; none for ``""``."""
    return [(REPLAY_HEADER, replay_id.encode())] if replay_id else []
