"""Whether a daily cap has paused embedding, as the workers' table of spending tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from schemas.tables import EmbeddingSpent
from schemas.topics import changelog_topic
from streams.limits.daily_caps import DAY, VARIABLES

CHANGELOG = changelog_topic("spending")
_ENTRY = msgspec.json.Decoder(EmbeddingSpent)


class SpendingBook:
    """What each partition's newest entry says."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._entries: dict[int, EmbeddingSpent] = {}

    def add(self, raw: Any) -> None:
        """Take in a message of the table's changelog (``partition``, ``value``)."""
        try:
            self._entries[raw.partition] = _ENTRY.decode(raw.value or b"")
        except msgspec.DecodeError:
            self._entries.pop(raw.partition, None)

    def words(self, now: float) -> str | None:
        """Return why embedding waits at a moment (Unix seconds); None when it does not."""
        return words_of(self._entries, self._partitions, now)


def words_of(entries: Mapping[int, EmbeddingSpent], partitions: int, now: float) -> str | None:
    """Return what the entries of the partitions say at a moment (Unix seconds)."""
    paused = [entry for entry in entries.values() if entry.paused and entry.day == int(now // DAY)]
    if not paused:
        return None
    newest = paused[-1]
    where = "" if len(paused) >= partitions else f" for {len(paused)} of {partitions} partitions"
    return (
        f"embedding is paused{where}: the daily cap of {newest.cap:,} {newest.paused} "
        f"({VARIABLES[newest.paused or 'tokens']}) is reached; goes on at 00:00 UTC"
    )
