"""How far Weaviate is in each partition, as the workers' table of resume points tells it."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from schemas.codec import peek
from schemas.settings.load import Settings
from schemas.tables import ResumePoint
from schemas.topics import changelog_topic
from streams.kafka.topic_reader import TopicReader

CHANGELOG: Final = changelog_topic("resume_points")
NEWEST: Final = 10
"""So many offsets of a partition hold the newest entry of each of its keys: index writes under one, the name
of its topic. Whoever reads more waits: an import adds some a second, and compaction comes after hours."""


class IndexedThrough(msgspec.Struct, frozen=True, order=True):
    """All of a partition of a topic up to ``offset`` is in Weaviate, since ``at`` (Unix seconds)."""

    topic: str
    partition: int
    offset: int
    at: float


class IndexedThroughBook:
    """The newest entry of each partition."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, int], IndexedThrough] = {}

    def add(self, raw: Any) -> None:
        """Take in a message of the table's changelog (``partition``, ``key``, ``value``)."""
        topic = (raw.key or b"").decode("utf-8", "replace")
        if entry := peek(raw.value, ResumePoint):
            self._entries[topic, raw.partition] = IndexedThrough(
                topic, raw.partition, entry.offset, entry.indexed_at
            )

    def listed(self) -> list[IndexedThrough]:
        """Return what is known, by topic and partition, without those that nothing was indexed of."""
        return sorted(self._entries.values())


async def indexed_through_now(settings: Settings) -> list[IndexedThrough]:
    """Return how far Weaviate is in each partition. Raises UnavailableError."""
    book = IndexedThroughBook()
    async with TopicReader(settings.bootstrap_servers, [CHANGELOG], last=NEWEST) as reader:
        async for raw in reader.to_end():
            book.add(raw)
    return book.listed()
