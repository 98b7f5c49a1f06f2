"""Which messages a replay takes, what it makes of them, and how far it says it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from aiokafka import TopicPartition

from agents.replays import choice as replay_choice
from agents.replays import feed as module
from agents.replays.choice import Choice, Newest, described
from agents.replays.cursor import ReplayCursor
from agents.replays.feed import ReplayFeed
from schemas.cluster import Cluster
from schemas.codec import encode, headers_of
from schemas.errors import RefusedError, UnavailableError
from schemas.headers.replays import REPLAY_HEADER, replay_headers, replay_of
from schemas.messages.imports import ImportRecord, ImportSpec
from schemas.testing import a_change, a_ticket, an_embedded, an_enriched, an_import
from schemas.topics import BACKFILL, CHANGES, EMBEDDED, ENRICHED
from streams.kafka.chosen_offsets import Chosen
from streams.kafka.offset_ranges import Batch, OffsetRange
from streams.retries import RetryPolicy, retrying
from streams.testing import InMemoryProducer

COLLECTION = "Tickets_test_4_c1"


def raw(message: Any, offset: int = 0, *, topic: str = ENRICHED, at: float = 0, **fields: Any) -> Any:
    """Return a message as aiokafka gives it; ``at`` is its time on the topic, Unix seconds."""
    given = {
        "topic": topic,
        "partition": 0,
        "offset": offset,
        "key": f"{message.account}:{message.ticket_id}".encode(),
        "value": encode(message),
        "headers": tuple(headers_of(message)),
        "timestamp": round(at * 1000),
    }
    return SimpleNamespace(**(given | fields))


def record(**spec: Any) -> ImportRecord:
    return an_import(id="r1", spec=ImportSpec(**({"replay": "enriched"} | spec)))


def test_what_is_taken() -> None:
    choice = Choice(record(), 1)
    one = an_enriched(5)
    assert choice.takes(raw(one))
    assert not choice.takes(raw(one, key=b"other:1"))
    assert not choice.takes(raw(one, key=None))
    assert not choice.takes(raw(one, value=None))
    assert not choice.takes(raw(one, headers=()))  # nobody knows what it is
    assert not choice.takes(raw(an_embedded(5)))
    # Its own copies, but not those of a replay before: of a ticket that may be all compaction has kept.
    assert not choice.takes(raw(one, headers=(*headers_of(one), *replay_headers("r1"))))
    assert choice.takes(raw(one, headers=(*headers_of(one), *replay_headers("r0"))))


def test_of_changes_no_copy_is_taken() -> None:
    change = a_change(5)
    choice = Choice(record(replay="changes"), 1)
    assert choice.takes(raw(change, topic=CHANGES))
    assert not choice.takes(raw(change, topic=BACKFILL, headers=(*headers_of(change), *replay_headers("r0"))))


def test_tickets_are_chosen_by_number() -> None:
    choice = Choice(record(tickets=[1, 30]), 1)
    assert choice.takes(raw(an_enriched(5)))
    assert choice.takes(raw(an_enriched(5, ticket_id=30)))
    assert not choice.takes(raw(an_enriched(5, ticket_id=3)))


def test_the_time_of_a_whole_ticket_is_its_first_on_the_topic() -> None:
    choice = Choice(record(since=1_000, until=2_000), 1)
    taken = [
        at
        for at in (999.9, 1_000, 1_999.9, 2_000)
        if choice.takes(raw(an_enriched(5, enriched_at=at), at=9e9))
    ]
    assert taken == [1_000, 1_999.9]
    choice = Choice(record(replay="embedded", until=2_000), 1)
    assert choice.takes(raw(an_embedded(5, embedded_at=1.0)))
    assert not choice.takes(raw(an_embedded(5, embedded_at=2_000.0)))
    assert not choice.takes(raw(an_embedded(5), value=b"{"))


def test_what_has_no_time_lies_in_no_range() -> None:
    nothing = raw(an_enriched(5), value=b"{}")
    assert not Choice(record(until=2_000), 1).takes(nothing)


def test_the_time_of_a_change_is_the_message_s_own() -> None:
    choice = Choice(record(replay="changes", since=1_000), 1)
    assert choice.takes(raw(a_change(5, changed_at=1.0), topic=CHANGES, at=1_000))
    assert not choice.takes(raw(a_change(5, changed_at=5_000.0), topic=CHANGES, at=999))


def test_a_copy_has_the_bytes_of_its_original_and_one_replay_header() -> None:
    one = an_enriched(5)
    message = raw(one, 9, partition=0, headers=(*headers_of(one), *replay_headers("r0"), ("x", b"y")))
    copy = Choice(record(), 1).record_of(message)
    assert (copy.topic, copy.partition, copy.key, copy.value) == (BACKFILL, 0, b"acme:1", message.value)
    assert list(copy.headers) == [*headers_of(one), ("x", b"y"), (REPLAY_HEADER, b"r1")]


def test_the_newest_change_is_that_of_the_highest_version_wherever_it_lies() -> None:
    newest = Newest("changes")
    live = raw(a_change(7), 1, topic=CHANGES, at=10)
    imported = raw(a_change(6), 5, topic=BACKFILL, at=20)
    tie = raw(a_change(7), 6, topic=BACKFILL, at=9)
    broken = raw(a_change(9), 8, topic=CHANGES, value=b"{")
    other = raw(a_change(1, a_ticket(2)), 3, topic=BACKFILL)
    every = (live, imported, tie, broken, other)
    for each in every:
        newest.add(each)
    chosen = Chosen()
    chosen.add(0, newest.offsets())
    assert [each in chosen for each in every] == [True, False, False, False, True]
    assert raw(a_change(7), 1, topic=CHANGES, partition=1) not in chosen
    spans = {TopicPartition(topic, 0): OffsetRange(0, 2, 9) for topic in (CHANGES, BACKFILL)}
    assert chosen.left(spans) == 1


def test_the_newest_whole_ticket_is_the_last() -> None:
    newest = Newest("enriched")
    messages = [raw(an_enriched(version), offset) for offset, version in enumerate((5, 6, 6, 4))]
    for each in messages:
        newest.add(each)
    assert list(newest.offsets()[ENRICHED]) == [3]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"replay": "embedded"}, "tickets.embedded holds no message"),
        ({"replay": "changes"}, "tickets.changes and tickets.backfill hold no message"),
        ({"tickets": [7], "since": 5}, "tickets.enriched holds no message of ticket #7 of that time"),
        ({"tickets": list(range(1, 9))}, "tickets.enriched holds no message of ticket #1, #2, #3, #4, #5 …"),
    ],
)
def test_why_nothing_was_found(spec: dict[str, Any], words: str) -> None:
    assert described(record(**spec).spec) == words


class Topics:
    """Topics in memory, read as RangeReader reads them, in batches of two."""

    def __init__(self) -> None:
        self.held: dict[TopicPartition, list[Any]] = {}
        self.failures = 0
        self.asked: list[tuple[list[str], list[int], int]] = []

    def put(self, topic: str, *messages: Any, partition: int = 0) -> None:
        place = TopicPartition(topic, partition)
        for message in messages:
            held = self.held.setdefault(place, [])
            at = {"offset": len(held), "topic": topic, "partition": partition}
            held.append(raw(message, **at) if isinstance(message, msgspec.Struct) else message(at))

    def reader(self, cluster: Cluster) -> Topics:
        assert cluster.servers == "kafka:1"
        return self

    async def __aenter__(self) -> Topics:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def spans(
        self, topics: Sequence[str], partitions: Sequence[int], since: int = 0
    ) -> dict[TopicPartition, OffsetRange]:
        topics, partitions = sorted(topics), sorted(partitions)
        self.asked.append((topics, partitions, since))
        places = [TopicPartition(topic, number) for topic in topics for number in partitions]
        return {place: OffsetRange(0, 0, len(self.held.get(place, ()))) for place in places}

    async def read(self, spans: Mapping[TopicPartition, OffsetRange]) -> AsyncIterator[Batch]:
        for place, span in spans.items():
            for first in range(span.next, span.end, 2):
                if self.failures:
                    self.failures -= 1
                    raise UnavailableError("Kafka is away")
                last = min(first + 2, span.end)
                yield Batch(self.held[place][first:last], {place: last})


class FeedBench:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.topics = Topics()
        self.producer = InMemoryProducer()
        self.saved: list[ImportRecord] = []
        self.waited = 0
        self.meanwhile: list[Any] = []
        self.record = record()
        self.homes: dict[bytes, int] = {}
        for each in (module, replay_choice):
            monkeypatch.setattr(each, "partition_of", lambda key, _: self.homes.get(key, 0))
        monkeypatch.setattr(module, "RangeReader", self.topics.reader)
        monkeypatch.setattr(module, "retrying", lambda call, **_: retrying(call, RetryPolicy(factor=0)))

    async def run(self, collection: str = COLLECTION) -> list[tuple[int, int]]:
        """Feed the replay, and return ticket and version of what it has sent."""
        feed = ReplayFeed(
            self.producer,  # type: ignore[arg-type]
            cluster=Cluster("kafka:1", 2),
            collection=collection,
        )

        async def save() -> None:
            self.saved.append(msgspec.json.decode(encode(self.record), type=ImportRecord))

        async def indexed() -> None:
            self.waited += 1
            if self.meanwhile:
                self.topics.put(*self.meanwhile.pop(0))

        async def room() -> None: ...

        await feed.run(self.record, save=save, room=room, indexed=indexed)
        assert all(one.topic == BACKFILL and replay_of(one.headers) == "r1" for one in self.producer.sent)
        values = [msgspec.json.decode(one.value or b"") for one in self.producer.sent]
        return [(value["ticket_id"], value["version"]) for value in values]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> FeedBench:
    return FeedBench(monkeypatch)


async def test_the_newest_of_each_ticket_is_sent_in_order_and_counted(bench: FeedBench) -> None:
    bench.topics.put(ENRICHED, an_enriched(5), an_enriched(5, ticket_id=2), an_enriched(6))
    bench.homes[b"acme:3"] = 1
    bench.topics.put(ENRICHED, an_enriched(3, ticket_id=3), partition=1)
    assert await bench.run() == [(2, 5), (1, 6), (3, 3)]
    assert bench.record.fetched == bench.record.total == 3
    assert bench.record.source_ended
    assert bench.saved[-1] == bench.record


async def test_what_comes_meanwhile_is_sent_too_but_never_its_own_copies(bench: FeedBench) -> None:
    bench.topics.put(ENRICHED, an_enriched(5))

    def copy(at: dict[str, Any]) -> Any:
        one = an_enriched(5)
        return raw(one, **at, headers=(*headers_of(one), *replay_headers("r1")))

    bench.meanwhile = [
        (ENRICHED, copy, an_enriched(6)),
        (ENRICHED, an_enriched(7)),
        (ENRICHED, an_enriched(8)),
    ]
    assert await bench.run() == [(1, 5), (1, 6), (1, 7)]  # and no further: a busy desk never ends
    assert bench.waited == 2


async def test_a_range_with_an_end_is_read_once(bench: FeedBench) -> None:
    bench.record = record(until=5_000)
    bench.topics.put(ENRICHED, an_enriched(5))
    bench.meanwhile = [(ENRICHED, an_enriched(6))]
    assert await bench.run() == [(1, 5)]
    assert bench.waited == 0


async def test_it_goes_on_from_its_cursor(bench: FeedBench) -> None:
    bench.record = record(until=5_000)
    bench.topics.put(ENRICHED, *(an_enriched(5, ticket_id=number) for number in range(1, 8)))
    await bench.run()
    halfway = next(one for one in bench.saved if one.fetched == 4)
    bench.record = halfway
    bench.producer.sent.clear()
    assert await bench.run() == [(5, 5), (6, 5), (7, 5)]
    assert bench.record.fetched == bench.record.total == 7


async def test_a_broker_that_is_away_repeats_nothing(bench: FeedBench) -> None:
    bench.record = record(until=5_000)
    bench.topics.put(ENRICHED, *(an_enriched(5, ticket_id=number) for number in range(1, 5)))
    bench.topics.failures = 2
    assert await bench.run() == [(1, 5), (2, 5), (3, 5), (4, 5)]


async def test_the_newest_change_of_each_ticket_is_sent(bench: FeedBench) -> None:
    bench.record = record(replay="changes")
    bench.topics.put(CHANGES, a_change(7), a_change(8), a_change(3, a_ticket(2)))
    bench.topics.put(BACKFILL, a_change(6), a_change(4, a_ticket(2)), an_enriched(9))
    bench.homes[b"acme:3"] = 1
    bench.topics.put(BACKFILL, a_change(1, a_ticket(3)), partition=1)
    assert sorted(await bench.run()) == [(1, 8), (2, 4), (3, 1)]
    assert bench.waited == 0


async def test_of_some_tickets_only_their_partitions_are_read(bench: FeedBench) -> None:
    bench.record = record(tickets=[1], since=77)
    bench.topics.put(ENRICHED, an_enriched(5, enriched_at=100.0))
    bench.topics.put(ENRICHED, an_enriched(5, enriched_at=100.0), partition=1)
    assert await bench.run() == [(1, 5)]
    (topics, partitions, since), *_ = bench.topics.asked
    assert (topics, len(partitions), since) == ([ENRICHED], 1, 77)


async def test_a_ticket_that_has_moved_is_taken_where_it_lies_now(bench: FeedBench) -> None:
    bench.homes[b"acme:1"] = 1
    bench.topics.put(ENRICHED, an_enriched(5), an_enriched(4, ticket_id=2))
    bench.topics.put(ENRICHED, an_enriched(6), partition=1)
    assert await bench.run() == [(2, 4), (1, 6)]


async def test_a_change_from_before_its_ticket_moved_goes_where_that_is_now(bench: FeedBench) -> None:
    bench.record = record(replay="changes", tickets=[1])
    bench.homes[b"acme:1"] = 1
    bench.topics.put(CHANGES, a_change(7))
    assert await bench.run() == [(1, 7)]
    assert [one.partition for one in bench.producer.sent] == [1]


async def test_nothing_found_is_said(bench: FeedBench) -> None:
    bench.record = record(replay="embedded")
    bench.topics.put(EMBEDDED, an_enriched(5))
    with pytest.raises(RefusedError, match="nothing to replay"):
        await bench.run()
    assert not bench.record.source_ended


async def test_half_a_collection_is_not_finished_with_another_model(bench: FeedBench) -> None:
    bench.topics.put(ENRICHED, an_enriched(5))
    span = {f"{ENRICHED}/0": OffsetRange(0, 0, 1)}
    bench.record.cursor = msgspec.json.encode(ReplayCursor("Tickets_other_4_c1", span)).decode()
    with pytest.raises(RefusedError, match="Tickets_other_4_c1"):
        await bench.run()
