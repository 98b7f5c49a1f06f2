"""Readers of topics on which keys have moved: what lies in a key's old partition is not its state."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from schemas.cluster import Cluster
from schemas.codec import encode, headers_of
from schemas.errors import ConflictError
from schemas.headers.moves import moved_headers
from schemas.messages.tickets import Origin
from schemas.scaling import scale_marker
from schemas.settings.kafka import KafkaSettings
from schemas.settings.load import Settings
from schemas.settings.zendesk import ZendeskSettings
from schemas.tables import IndexedTicket, LiveCursor
from schemas.testing import an_import
from schemas.topics import CHANGES, changelog_topic
from streams.kafka.partitions import partition_of
from tests.dead_letter_fixtures import Raw, a_letter, a_verdict
from ticketstream.operations.checks.kafka import _topics
from ticketstream.operations.dead_letters.book import Book
from ticketstream.operations.imports import known as imports
from ticketstream.operations.imports.known import CHANGELOG, ImportBook, ImportWatch
from ticketstream.operations.reconcile.ledger import LedgerReader
from ticketstream.operations.watch.follower import Follower


def raw(topic: str, partition: int, key: bytes, value: bytes | None, headers: Any = ()) -> Any:
    return SimpleNamespace(
        topic=topic, partition=partition, offset=0, key=key, value=value, headers=headers, timestamp=0
    )


def record(**fields: Any) -> bytes:
    return encode(an_import(**fields))


def test_an_import_that_has_moved_is_there_in_whichever_order_partitions_are_read() -> None:
    old = [raw(CHANGELOG, 2, b"i1", record()), raw(CHANGELOG, 2, b"i1", None, moved_headers(0))]
    new = [raw(CHANGELOG, 0, b"i1", record(status="completed"))]
    for order in ((*old, *new), (*new, *old)):
        book = ImportBook()
        for each in order:
            book.add(each)
        assert [known.record.status for known in book.imports()] == ["completed"]


async def test_who_follows_an_import_that_moves_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Reader:
        def __init__(self, *_: Any, **__: Any) -> None:
            self.later = [[raw(CHANGELOG, 2, b"i1", None, moved_headers(0))]]

        async def to_end(self) -> AsyncIterator[Any]:
            # It has been here before, between two changes of the number of partitions.
            yield raw(CHANGELOG, 2, b"i1", record(status="failed"))
            yield raw(CHANGELOG, 2, b"i1", None, moved_headers(0))
            yield raw(CHANGELOG, 2, b"i1", record())

        async def next_batch(self, seconds: float) -> list[Any]:
            return self.later.pop(0)

    monkeypatch.setattr(imports, "TopicReader", Reader)
    states = ImportWatch(Cluster("kafka:1", 4), "acme", "i1").states()
    first = await anext(states)
    assert first is not None
    assert first.status == "running"
    with pytest.raises(ConflictError, match=r"`ticketstream imports show i1`.* resume i1`"):
        await anext(states)


async def test_the_ledger_takes_what_lies_in_its_own_partition(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = b"acme:7"
    home = partition_of(key, 6)

    def entry(version: int) -> bytes:
        origin = Origin(CHANGES, 0, 1)
        return encode(IndexedTicket(version, "d", origin, "Tickets_x", 1.0, public=["h"]))

    class Reader:
        def __init__(self, *_: Any) -> None: ...

        async def to_end(self) -> AsyncIterator[Any]:
            topic, old = changelog_topic("indexed"), (home + 1) % 6
            yield raw(topic, home, key, entry(9))
            yield raw(topic, old, key, entry(8))
            yield raw(topic, old, key, None, moved_headers(home))

    monkeypatch.setattr("ticketstream.operations.reconcile.ledger.TopicReader", Reader)
    table = await LedgerReader(Cluster("kafka:1", 6), "acme", "Tickets_x").read()
    assert list(table.ids) == [7]
    assert list(table.version) == [9]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_a_row_unreadable_again_is_open_wherever_its_letters_lie(order: tuple[int, ...]) -> None:
    letter = a_letter(topic="zendesk:export", stage="source")
    verdict = a_verdict(letter, "discarded")
    again = msgspec.structs.replace(letter, failed_at=9000.0)
    messages = [
        Raw(3, 0, b"k", encode(letter), headers_of(letter), timestamp=1),
        Raw(3, 1, b"k", encode(verdict), headers_of(verdict), timestamp=2),
        Raw(1, 0, b"k", encode(again), headers_of(again), timestamp=3),
    ]
    book = Book()
    for number in order:
        book.add(messages[number])
    (known,) = book.close().letters
    assert (known.state, known.partition, known.letter.failed_at) == ("open", 1, 9000.0)


def test_the_newest_look_at_the_export_counts_wherever_the_cursor_lies() -> None:
    settings = Settings(
        kafka=KafkaSettings(bootstrap_servers="kafka:1"), zendesk=ZendeskSettings(subdomain="acme")
    )
    follower = Follower(settings, clock=lambda: 1_000.0)
    topic = changelog_topic("cursors")
    follower._take(raw(topic, 0, b"acme", encode(LiveCursor("c2", 990.0))))
    follower._take(raw(topic, 2, b"acme", encode(LiveCursor("c1", 500.0))))
    follower._take(raw(topic, 2, b"acme", None, moved_headers(0)))
    assert follower.source_seconds == pytest.approx(10.0)


def test_the_doctor_names_a_change_that_has_not_ended() -> None:
    finding = _topics({scale_marker(4, 6): [{}]}, {}, 4)
    assert finding.verdict == "fail"
    assert "`ticketstream scale --partitions 6` again" in finding.todo
