"""Import ids, commands that nobody has taken up yet, and records in words."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from schemas.codec import decode
from schemas.messages.imports import ImportCommand, ImportRecord, ImportSpec, StageCounts
from schemas.testing import an_import
from schemas.topics import IMPORT_COMMANDS
from streams.kafka.partitions import account_partition
from ticketstream.operations.imports.commands import command_record, new_import_id
from ticketstream.operations.imports.known import KnownImport, fold
from ticketstream.operations.imports.summary import (
    Pace,
    done_of,
    duration,
    import_fields,
    is_success,
    passed,
    status_of,
    total_of,
)


def command(kind: str, **fields: object) -> ImportCommand:
    given = {"command": kind, "account": "acme", "import_id": "a", "issued_at": 100.0} | fields
    return ImportCommand(**given)  # type: ignore[arg-type]


def record(**fields: object) -> ImportRecord:
    return an_import(**({"id": "a", "started_at": 100.0, "updated_at": 160.0} | fields))


def test_ids_sort_by_time_and_differ_within_a_second() -> None:
    moment = datetime(2026, 11, 22, 18, 15, tzinfo=UTC)
    first = new_import_id(moment)
    assert re.fullmatch(r"20261122-181500-[0-9a-f]{4}", first)
    assert first < new_import_id(moment + timedelta(seconds=1))
    assert len({new_import_id(moment) for _ in range(20)}) > 10


def test_a_command_goes_to_its_accounts_partition() -> None:
    sent = command_record(command("start", spec=ImportSpec(since=5)), 8)
    assert (sent.topic, sent.key) == (IMPORT_COMMANDS, b"acme")
    assert sent.partition == account_partition("acme", 8)
    assert decode(ImportCommand, sent.value, sent.headers).spec == ImportSpec(since=5)


def test_commands_that_wait_add_up_to_a_record() -> None:
    waiting: dict[str, ImportRecord] = {}
    fold(waiting, command("feed", cursor="9"))
    assert waiting == {}  # of an import that nobody started
    fold(waiting, command("start", spec=ImportSpec(file="/x"), total=10))
    fold(waiting, command("start", spec=ImportSpec(file="/y"), total=99))  # delivered twice
    fold(waiting, command("feed", cursor="6", fetched=5, failed=1))
    fold(waiting, command("cancel"))
    found = waiting["a"]
    assert (found.spec.file, found.total, found.cursor) == ("/x", 10, "6")
    assert (found.fetched, found.unreadable, found.source_ended) == (5, 1, False)
    assert status_of(KnownImport(found, waiting=True)) == "cancelled"
    fold(waiting, command("resume"))
    fold(waiting, command("feed", cursor="10", fetched=9, failed=1, ended=True))
    assert (found.status, found.source_ended, found.cursor) == ("running", True, "10")
    assert status_of(KnownImport(found, waiting=True)) == "waiting"


def test_fields_are_flat_and_named_as_promised() -> None:
    known = KnownImport(
        record(
            status="completed",
            source_ended=True,
            fetched=10,
            unreadable=1,
            source_calls=2,
            stages={
                "enrich/0": StageCounts(sent=5, skipped=2, calls=5),
                "enrich/1": StageCounts(sent=3, calls=3),
                "embed/0": StageCounts(sent=8, calls=1),
                "index/0": StageCounts(sent=7, failed=1, vectors=20),
            },
            errors=["it rained"],
        )
    )
    fields = import_fields(known)
    assert fields["tickets_done"] == 11
    assert fields["tickets_total"] == 11
    assert fields["api_calls"] == {"zendesk": 10, "embedding": 1}
    assert fields["vectors_uploaded"] == 20
    assert fields["started_at"] == "1970-01-01T00:01:40Z"
    assert [fields[name] for name in ("fetched", "enriched", "embedded", "indexed", "skipped", "failed")] == [
        10,
        8,
        8,
        7,
        2,
        2,
    ]
    assert fields["errors"] == ["it rained"]
    assert not is_success(known.record)
    assert is_success(record(status="completed", stages={"index/0": StageCounts(sent=1)}))


def test_done_never_exceeds_the_total() -> None:
    crashed = record(total=5, fetched=5, stages={"index/0": StageCounts(sent=7)})
    assert (done_of(crashed), total_of(crashed)) == (5, 5)


def test_the_total_is_unknown_until_the_source_has_ended() -> None:
    assert total_of(record(fetched=5)) is None
    assert total_of(record(fetched=5, unreadable=2, source_ended=True)) == 7


def test_a_ticket_that_ended_early_is_through_with_every_later_stage() -> None:
    one = record(
        fetched=9,
        unreadable=1,
        stages={"enrich/0": StageCounts(sent=4, skipped=3), "embed/0": StageCounts(sent=2, failed=1)},
    )
    assert passed(one, "enrich") == 8
    assert passed(one, "embed") == 7
    assert passed(one, "index") == 5


def test_pace_looks_at_the_last_half_minute() -> None:
    pace = Pace(window=30)
    assert pace.rate is None
    assert pace.left(100) is None
    for second in range(0, 61, 10):
        pace.add(second, 0 if second <= 30 else (second - 30) * 2)
    assert pace.rate == pytest.approx(2.0)
    assert pace.left(160) == pytest.approx(50.0)
    assert pace.left(None) is None


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (59.4, "59 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")]
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words
