"""Which keys move when partitions are added, in which order, and what a second run finds left to do."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka import TopicPartition

from schemas.headers.moves import MOVED_HEADER, is_moved, moved_headers
from schemas.scaling import scale_marker, scale_under_way
from schemas.tables import part_key, part_message_key, set_key
from schemas.topics import COMPACTED, EMBEDDED, ENRICHED, PIPELINE, RECONCILE_REPORTS
from streams.kafka.offset_ranges import OffsetRange
from streams.kafka.partitions import partition_of
from streams.kafka.topics import topic_configs
from tests.scale_fixtures import HEADERS, Topics
from ticketstream.operations.scale.homes import ADAPTED, COPIED, IN_PLACE, MOVED, Change
from ticketstream.operations.scale.move import Move
from ticketstream.operations.scale.scan import Scan, groups

CHANGE = Change(4, 6)
KEYS = [f"acme:{number}".encode() for number in range(200)]


def test_every_topic_that_holds_state_is_thought_of() -> None:
    changelogs = {name for name in topic_configs() if name.endswith("-changelog")}
    assert changelogs | COMPACTED == {*MOVED, *ADAPTED, *IN_PLACE}
    assert set(COPIED) <= set(PIPELINE) - COMPACTED


def test_a_key_moves_only_if_its_partition_changes() -> None:
    for key in KEYS:
        before, after = partition_of(key, 4), partition_of(key, 6)
        assert CHANGE.target(key, before) == (None if before == after else after)
        # Put there by nobody of ours: behind the newest state it would be the one that counts.
        assert CHANGE.target(key, (before + 1) % 4) is None
    assert CHANGE.target(None, 0) is None
    assert sum(CHANGE.target(key, partition_of(key, 4)) is not None for key in KEYS) > 50


def test_what_belongs_to_a_large_ticket_moves_with_it() -> None:
    for key in KEYS:
        before = partition_of(key, 4)
        for own in (part_message_key(key, "s", 12), set_key(key, ENRICHED, "s"), part_key(key, 3)):
            assert CHANGE.target(own, before) == CHANGE.target(key, before)


def test_the_marker_tells_from_where_to_where() -> None:
    assert scale_under_way(["tickets.changes", scale_marker(4, 6)]) == (4, 6)
    others = [
        *topic_configs(),
        "ticketstream-scale",
        "ticketstream-scale-x-to-6",
        scale_marker(4, 6) + "0000",
    ]
    assert scale_under_way(others) is None


def test_only_what_stands_for_a_moved_key_is_taken_for_it() -> None:
    assert is_moved(None, moved_headers(5))
    assert not is_moved(None, ())
    assert not is_moved(None, None)
    assert not is_moved(b"{}", moved_headers(5))


@pytest.fixture
def topics() -> Topics:
    topics = Topics()
    for key in KEYS:
        home = partition_of(key, 4)
        topics.put(ENRICHED, home, key, b"old " + key)
        topics.put(ENRICHED, home, key, b"new " + key)
        topics.put(EMBEDDED, home, key, b"vectors " + key)
    return topics


async def scaled(topics: Topics) -> int:
    reader: Any = topics
    scan = Scan(CHANGE)
    await scan.look(reader, topics.whole(), lambda _: None)
    move = Move(CHANGE, topics.send, copied=COPIED)
    await move.run(reader, topics.whole(), scan.found, lambda _: None)
    return move.moved


async def test_each_key_has_its_newest_message_in_its_new_partition_and_nowhere_else(topics: Topics) -> None:
    moved = [key for key in KEYS if partition_of(key, 4) != partition_of(key, 6)]
    assert await scaled(topics) == 2 * len(moved)
    live = topics.live(ENRICHED)
    assert set(live) == {(key, partition_of(key, 6)) for key in KEYS}
    for (key, _), raw in live.items():
        assert raw.value == b"new " + key
        assert tuple(raw.headers) == HEADERS
    copies = [raw for held in topics.held.values() for raw in held if raw.value == b"old " + raw.key]
    assert len(copies) == len(KEYS)  # what is no longer the newest is not copied


async def test_an_empty_place_says_where_its_key_is(topics: Topics) -> None:
    await scaled(topics)
    stands = [raw for held in topics.held.values() for raw in held if raw.value is None]
    assert stands
    assert all(dict(raw.headers) == {MOVED_HEADER: b"%d" % partition_of(raw.key, 6)} for raw in stands)


@pytest.mark.parametrize("sent", [0, 1, 50, 150, 250])
async def test_killed_anywhere_a_second_run_comes_to_the_same_end(topics: Topics, sent: int) -> None:
    topics.fails_at = sent
    with pytest.raises(ConnectionError):
        await scaled(topics)
    topics.fails_at = None
    for topic in (ENRICHED, EMBEDDED):
        assert {key for key, _ in topics.live(topic)} == set(KEYS)  # nothing is away meanwhile
    await scaled(topics)
    assert (
        set(topics.live(ENRICHED))
        == set(topics.live(EMBEDDED))
        == {(key, partition_of(key, 6)) for key in KEYS}
    )
    assert await scaled(topics) == 0


async def test_what_was_deleted_and_what_lies_elsewhere_stays(topics: Topics) -> None:
    gone, strange = KEYS[0], KEYS[1]
    topics.put(ENRICHED, partition_of(gone, 4), gone, None, ())
    elsewhere = (partition_of(strange, 4) + 1) % 4
    topics.put(ENRICHED, elsewhere, strange, b"somebody else's")
    await scaled(topics)
    live = topics.live(ENRICHED)
    assert gone not in {key for key, _ in live}
    assert live[strange, partition_of(strange, 6)].value == b"new " + strange


async def test_reports_are_copied_and_stay() -> None:
    topics = Topics()
    key = next(key for key in KEYS if CHANGE.target(key, partition_of(key, 4)) is not None)
    topics.put(RECONCILE_REPORTS, partition_of(key, 4), key, b"report")
    assert await scaled(topics) == 1
    assert set(topics.live(RECONCILE_REPORTS)) == {(key, partition_of(key, 4)), (key, partition_of(key, 6))}


async def test_only_what_has_grown_is_looked_through_again(topics: Topics) -> None:
    reader: Any = topics
    scan = Scan(CHANGE)
    read: list[int] = []
    await scan.look(reader, topics.whole(), read.append)
    assert sum(read) == 3 * len(KEYS)
    read.clear()
    topics.put(ENRICHED, 0, KEYS[0], b"x")
    await scan.look(reader, topics.whole(), read.append)
    assert sum(read) == len(topics.held[TopicPartition(ENRICHED, 0)])


def test_large_partitions_are_read_by_themselves() -> None:
    def place(number: int) -> TopicPartition:
        return TopicPartition(ENRICHED, number)

    sizes = [10, 0, 249_000, 2_000, 10**7, 1]
    spans = {place(number): OffsetRange(0, 0, size) for number, size in enumerate(sizes)}
    assert [list(group) for group in groups(spans)] == [
        [place(0), place(2)],
        [place(3)],
        [place(4)],
        [place(5)],
    ]
