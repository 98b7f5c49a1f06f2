"""Throughput and freshness from receipts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from schemas.codec import encode
from schemas.messages.tickets import Origin, Receipt
from schemas.topics import BACKFILL, CHANGES
from ticketstream.operations.watch.receipts import POINTS, STEP_SECONDS, Receipts, percentiles

NOW = 1_000_000.0


def receipt(at: float, age: float = 1.0, **fields: Any) -> Any:
    own = {
        "account": "acme",
        "ticket_id": 1,
        "version": 1,
        "outcome": "indexed",
        "changed_at": at - age,
        "indexed_at": at,
        "origin": Origin(CHANGES, 0, 1),
    }
    return SimpleNamespace(value=encode(Receipt(**own | fields)), timestamp=round(at * 1000))


def test_live_changes_make_the_freshness_and_nothing_else_does() -> None:
    receipts = Receipts()
    for age in range(1, 101):
        receipts.add(receipt(NOW - 10, age), NOW)
    for fields in (
        {"outcome": "stale"},
        {"outcome": "duplicate"},
        {"outcome": "unchanged"},
        {"origin": Origin(BACKFILL, 0, 1)},
        {"import_id": "x"},
    ):
        receipts.add(receipt(NOW - 10, 9_999, **fields), NOW)
    receipts.add(SimpleNamespace(value=b"{", timestamp=1), NOW)
    receipts.add(SimpleNamespace(value=None, timestamp=1), NOW)
    found = receipts.freshness(NOW)
    assert (found.p50, found.p95, found.changes) == (50.0, 95.0, 100)


def test_old_changes_are_forgotten_in_whatever_order_they_came() -> None:
    receipts = Receipts()
    for at in (NOW - 1, NOW - 299, NOW - 5, NOW - 1_000):
        receipts.add(receipt(at), NOW)
    assert receipts.freshness(NOW).changes == 3
    assert receipts.freshness(NOW + 290).changes == 0 + 2
    assert receipts.freshness(NOW + 1_000) == receipts.freshness(NOW + 2_000)
    assert receipts.freshness(NOW + 1_000).p50 is None


def test_points_are_complete_once_and_in_order() -> None:
    receipts = Receipts()
    assert len(receipts.complete(NOW)) == POINTS
    for second in range(25):
        receipts.add(receipt(NOW + second, age=2.0), NOW + second)
        receipts.note_backlog(NOW + second, 100 - second)
    made = receipts.complete(NOW + 25)
    assert [point.at for point in made] == [NOW, NOW + STEP_SECONDS]
    assert [point.indexed_per_second for point in made] == [1.0, 1.0]
    assert [point.backlog for point in made] == [91, 81]
    assert made[0].freshness_p50 == made[0].freshness_p95 == 2.0
    assert receipts.complete(NOW + 29.9) == []
    (third,) = receipts.complete(NOW + 30)
    assert third.indexed_per_second == 0.5
    points = receipts.points
    assert len(points) == POINTS
    assert [point.at for point in points] == sorted({point.at for point in points})
    assert points[0].backlog is None
    assert points[0].freshness_p50 is None


def test_history_from_before_the_start_is_told_by_the_broker_s_times() -> None:
    receipts = Receipts()
    for second in range(0, 1_800, 2):
        receipts.add(receipt(NOW - 1_800 + second), NOW)
    points = receipts.complete(NOW)
    assert {point.indexed_per_second for point in points} == {0.5}
    assert {point.backlog for point in points} == {None}


def test_after_a_gap_the_points_in_between_are_made_up_for() -> None:
    receipts = Receipts()
    receipts.complete(NOW)
    receipts.add(receipt(NOW + 35), NOW + 60)
    made = receipts.complete(NOW + 60)
    assert [point.indexed_per_second for point in made] == [0.0, 0.0, 0.0, 0.1, 0.0, 0.0]
    receipts.complete(NOW + 10_000)
    assert len(receipts.points) == POINTS


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], (None, None)), ([3.0], (3.0, 3.0)), ([1.0, 2.0], (1.0, 2.0)), ([5.0, 1.0, 3.0], (3.0, 5.0))],
)
def test_percentiles(values: list[float], expected: tuple[float | None, float | None]) -> None:
    assert percentiles(values) == expected


def test_a_lean_receipt_has_the_fields_of_a_receipt() -> None:
    from ticketstream.operations.watch import receipts

    own = {field.name for field in msgspec.structs.fields(receipts._Lean)}
    assert own < {field.name for field in msgspec.structs.fields(Receipt)}
