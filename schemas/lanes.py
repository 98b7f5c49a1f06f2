"""Which of two things that wait goes first."""

from __future__ import annotations

from typing import Final, Literal

from schemas.topics import BACKFILL, CHANGES

Lane = Literal["live", "backfill"]
"""``live`` passes before ``backfill``."""

_BY_TOPIC: Final[dict[str, Lane]] = {CHANGES: "live", BACKFILL: "backfill"}


def lane_of(topic: str, source: str, replay: str) -> Lane:
    """Return the lane of a message: where it lies, where its ticket came from, and which replay it is of.

    Before enrich each lane has its topic: what is sent again waits with the imports, whatever it was. Behind
    enrich both share one, and the ticket says where it came from: a live change is live, unless replayed.
    """
    by_topic = _BY_TOPIC.get(topic)
    if by_topic is not None:
        return by_topic
    return "live" if source == "live" and not replay else "backfill"
