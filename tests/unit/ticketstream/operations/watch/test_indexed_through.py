"""How far Weaviate is, as the table of resume points tells it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from schemas.codec import encode
from schemas.settings.load import Settings
from schemas.stages import TICKET_TOPICS
from schemas.tables import ResumePoint
from schemas.topics import EMBEDDED
from ticketstream.operations.watch.follower import Flow, Follower
from ticketstream.operations.watch.indexed_through import CHANGELOG, IndexedThrough, IndexedThroughBook
from ticketstream.operations.watch.overview import overview

SETTINGS = Settings.model_validate({"zendesk": {"subdomain": "acme"}})


def entry(offset: int, at: float, partition: int = 0, key: bytes = EMBEDDED.encode()) -> Any:
    value = encode(ResumePoint(offset, at))
    return SimpleNamespace(topic=CHANGELOG, partition=partition, key=key, value=value)


def test_the_newest_entry_of_each_partition_counts() -> None:
    book = IndexedThroughBook()
    assert book.listed() == []
    for raw in (entry(4, 10.0), entry(7, 11.0, partition=10), entry(5, 12.0), entry(1, 9.0, partition=2)):
        book.add(raw)
    assert book.listed() == [
        IndexedThrough(EMBEDDED, 0, 5, 12.0),
        IndexedThrough(EMBEDDED, 2, 1, 9.0),
        IndexedThrough(EMBEDDED, 10, 7, 11.0),
    ]


def test_what_cannot_be_read_leaves_what_is_known() -> None:
    book = IndexedThroughBook()
    book.add(entry(4, 10.0))
    for value in (None, b"", b"{", b'{"offset": "x"}', b"\xff", b"[" * 10_000):
        book.add(SimpleNamespace(partition=0, key=EMBEDDED.encode(), value=value))
    assert book.listed() == [IndexedThrough(EMBEDDED, 0, 4, 10.0)]


def test_the_overview_shows_it_once_it_is_known() -> None:
    follower = Follower(SETTINGS, clock=lambda: 1_000.0)
    follower._take(entry(4, 990.0, partition=1))

    def shown() -> Any:
        return overview(follower, SETTINGS, chunks=1, away={}, clock=lambda: 1_000.0)["indexed_through"]

    assert shown() is None  # Kafka has not been reached
    follower.flows = {topic: Flow() for topic in TICKET_TOPICS}
    follower.workers, follower.looked_at, follower._away = 1, 1_000.0, ""
    assert shown() is None  # not all has been read yet
    follower._caught_up = True
    assert shown() == [{"topic": EMBEDDED, "partition": 1, "offset": 4, "at": 990.0}]
