"""Import records and daily caps where there are more partitions than before."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from aiokafka import TopicPartition

from agents.replays.cursor import ReplayCursor
from schemas.codec import encode
from schemas.headers.moves import moved_headers
from schemas.messages.imports import ImportRecord, ImportSpec, StageCounts
from schemas.tables import EmbeddingSpent, ResumePoint
from schemas.testing import an_import
from schemas.topics import BACKFILL, CHANGES, EMBEDDED, ENRICHED
from streams.kafka.offset_ranges import OffsetRange
from streams.kafka.partitions import account_partition
from ticketstream.operations.scale.adapt import (
    Newest,
    import_records,
    resume_records,
    spending_records,
    total_spent,
    with_ends,
)
from ticketstream.operations.scale.homes import IMPORTS, RESUME_POINTS, SPENDING, Change

CHANGE = Change(4, 6)
MOVES, STAYS = "acme-2", "acme-3"
ENDS = {TopicPartition(topic, number): 100 + number for topic in (ENRICHED, EMBEDDED) for number in range(6)}


def record(account: str = MOVES, **fields: Any) -> ImportRecord:
    given = {"cursor": "abc", "stages": {"enrich/2": StageCounts(sent=3)}}
    return an_import(account=account, **(given | fields))


def test_the_accounts_of_these_tests() -> None:
    assert account_partition(MOVES, 4) != account_partition(MOVES, 6)
    assert account_partition(STAYS, 4) == account_partition(STAYS, 6)


def test_an_import_goes_where_its_account_is_as_it_was() -> None:
    value = encode(record())
    old, new = account_partition(MOVES, 4), account_partition(MOVES, 6)
    copies, stands = import_records({(old, b"i1"): value}, CHANGE, ENDS)
    assert [tuple(each)[:4] for each in copies] == [(IMPORTS, new, b"i1", value)]
    assert [tuple(each) for each in stands] == [(IMPORTS, old, b"i1", None, moved_headers(new))]


def test_done_again_nothing_is_left() -> None:
    newest = Newest()
    entries = {
        (account_partition(MOVES, 4), b"i1"): encode(record()),
        (account_partition(MOVES, 4), b"i2"): encode(replaying("enriched")),
        (account_partition(STAYS, 4), b"i3"): encode(replaying("embedded", account=STAYS)),
        (0, b"i4"): b"nobody can read this",
    }
    for (partition, key), value in entries.items():
        newest.add(SimpleNamespace(partition=partition, key=key, value=value))
    copies, stands = import_records(newest.entries, CHANGE, ENDS)
    assert (len(copies), len(stands)) == (3, 2)
    for each in copies:  # killed here, and begun anew
        newest.add(each)
    again, stands = import_records(newest.entries, CHANGE, ENDS)
    assert (len(again), len(stands)) == (2, 2)
    for each in (*again, *stands):
        newest.add(each)
    assert import_records(newest.entries, CHANGE, ENDS) == ([], [])
    assert newest.entries[0, b"i4"] == b"nobody can read this"


def replaying(source: str, account: str = MOVES, **fields: Any) -> ImportRecord:
    topic = {"enriched": ENRICHED, "embedded": EMBEDDED, "changes": CHANGES}[source]
    cursor = ReplayCursor(
        "Tickets_x", {f"{topic}/{number}": OffsetRange(5, 20, 50) for number in range(4)}, 1
    )
    spec = ImportSpec(replay=source)  # type: ignore[arg-type]
    return record(account, spec=spec, cursor=msgspec.json.encode(cursor).decode(), **fields)


@pytest.mark.parametrize("source", ["enriched", "embedded"])
def test_an_unfinished_replay_reads_what_has_moved(source: str) -> None:
    before = replaying(source)
    after = msgspec.json.decode(with_ends(encode(before), ENDS), type=ImportRecord)
    topic = ENRICHED if source == "enriched" else EMBEDDED
    spans = msgspec.json.decode(after.cursor, type=ReplayCursor).places
    assert spans == {
        TopicPartition(topic, number): OffsetRange(5, 20, 100 + number)
        if number < 4
        else OffsetRange(0, 0, 100 + number)
        for number in range(6)
    }
    after.cursor = before.cursor
    assert after == before


@pytest.mark.parametrize(
    "other",
    [
        replaying("changes"),
        replaying("enriched", source_ended=True),
        record(spec=ImportSpec(replay="enriched"), cursor=""),
        record(),
    ],
)
def test_every_other_import_stays_as_it_is(other: ImportRecord) -> None:
    value = encode(other)
    assert with_ends(value, ENDS) == value
    assert BACKFILL not in value.decode()


def test_what_was_spent_today_is_shared_out_anew_and_its_sum_stays() -> None:
    entries = [
        EmbeddingSpent(day=7, requests=10, tokens=1_000),
        EmbeddingSpent(day=7, requests=2.5, tokens=0, paused="requests", cap=50),
        EmbeddingSpent(day=6, requests=99, tokens=99),
    ]
    total = total_spent(encode(each) for each in entries)
    assert total is not None
    assert total == EmbeddingSpent(day=7, requests=12.5, tokens=1_000)
    records = spending_records(total, 6)
    assert [(each.topic, each.partition) for each in records] == [(SPENDING, number) for number in range(6)]
    again = total_spent(each.value or b"" for each in records)
    assert again is not None
    assert (again.day, again.requests, again.tokens) == (7, pytest.approx(12.5), pytest.approx(1_000))
    assert total_spent([]) is None


def test_weaviate_has_all_before_the_offsets_that_workers_go_on_from() -> None:
    ends = ENDS | {TopicPartition(EMBEDDED, 5): 0}
    found = {each.partition: each for each in resume_records(ends, 12.5)}
    assert sorted(found) == [0, 1, 2, 3, 4]  # nothing was ever put on the last
    assert {(each.topic, each.key) for each in found.values()} == {(RESUME_POINTS, EMBEDDED.encode())}
    points = {
        number: msgspec.json.decode(each.value or b"", type=ResumePoint) for number, each in found.items()
    }
    assert points == {number: ResumePoint(99 + number, 12.5) for number in range(5)}
