"""Whether a daily cap has paused embedding, as the workers' table of spending tells it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from agents.spending import DAY, VARIABLES
from schemas.settings import Settings
from schemas.state import EmbeddingSpent, changelog_topic
from ticketstream.records.reader import TopicReader

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


class SpendingWatch:
    """Follows the table; an async context manager. Raises UnavailableError."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._reader = TopicReader(settings.bootstrap_servers, [CHANGELOG])
        self._book = SpendingBook(settings.kafka.partitions)

    async def __aenter__(self) -> SpendingWatch:
        await self._reader.__aenter__()
        try:
            async for raw in self._reader.to_end():
                self._book.add(raw)
        except BaseException:
            await self._reader.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(self, *problem: object) -> None:
        await self._reader.__aexit__(None, None, None)

    async def words(self) -> str | None:
        """Return why embedding waits now, and until when; None when it does not."""
        for raw in await self._reader.next_batch(0):
            self._book.add(raw)
        return self._book.words(self._clock())


async def pause_words(settings: Settings) -> str | None:
    """Return why embedding waits now, and until when; None when it does not. Raises UnavailableError."""
    async with SpendingWatch(settings) as watch:
        return await watch.words()


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
