"""A worker's share of a daily cap: never more than the cap, however partitions and amounts come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.lanes import Lane
from streams.limits.daily import DailyShare
from tests.shared_fixtures import QUICK

LANES: st.SearchStrategy[Lane] = st.sampled_from(("live", "backfill"))


def spend(share: DailyShare, amount: float, lane: Lane) -> bool:
    if not share.holds(amount, lane):
        return False
    charges = share.charges(amount)
    assert sum(charges.values()) == pytest.approx(amount)
    share.pay(charges)
    return True


@QUICK
@given(
    cap=st.integers(10, 5_000),
    partitions=st.integers(1, 12),
    cut=st.integers(0, 12),
    calls=st.lists(st.tuples(st.booleans(), st.floats(0.5, 900), LANES, st.booleans()), max_size=60),
)
def test_two_workers_never_spend_more_than_the_cap_however_partitions_move(
    cap: int, partitions: int, cut: int, calls: list[tuple[bool, float, Lane, bool]]
) -> None:
    spent = dict.fromkeys(range(partitions), 0.0)
    workers = DailyShare(cap, partitions), DailyShare(cap, partitions)

    def deal(at: int) -> None:
        workers[0].own({p: spent[p] for p in range(partitions) if p < at})
        workers[1].own({p: spent[p] for p in range(partitions) if p >= at})

    at = min(cut, partitions)
    deal(at)
    backfill = 0.0
    for second, amount, lane, moves in calls:
        worker = workers[second]
        before = worker.spent
        if spend(worker, amount, lane):
            assert worker.spent == pytest.approx(before + amount)
            backfill += amount if lane == "backfill" else 0.0
        for p in range(partitions):
            spent[p] = workers[p >= at].spent_by(p)
        if moves:
            at = (at * 5 + 3) % (partitions + 1)
            deal(at)
    assert sum(spent.values()) <= cap * (1 + 1e-9)
    assert backfill <= cap * 0.9 * (1 + 1e-9)


def test_a_busy_partition_uses_what_a_quiet_one_of_the_same_worker_leaves() -> None:
    share = DailyShare(80, 8)
    share.own(dict.fromkeys(range(4), 0.0))
    assert spend(share, 40, "live")
    assert not spend(share, 1, "live")


def test_partitions_that_part_take_their_reserve_along() -> None:
    share = DailyShare(80, 8)
    share.own(dict.fromkeys(range(8), 0.0))
    assert spend(share, 3, "live")
    assert spend(share, 69, "backfill")
    for mine in ({0, 1}, {7}):
        other = DailyShare(80, 8)
        other.own({p: share.spent_by(p) for p in mine})
        assert spend(other, len(mine), "live")


def test_a_backfill_leaves_the_reserve_to_live_changes() -> None:
    share = DailyShare(100, 4)
    share.own(dict.fromkeys(range(4), 0.0))
    calls = 0
    while spend(share, 1, "backfill"):
        calls += 1
    assert calls == 90
    assert spend(share, 10, "live")
    assert not spend(share, 1, "live")


def test_a_cap_that_was_lowered_below_what_is_spent_lets_nothing_pass() -> None:
    share = DailyShare(10, 2)
    share.own({0: 30.0, 1: 0.0})
    assert share.left("live") == 0
    assert not share.holds(1, "live")


def test_a_call_is_split_when_a_good_part_fits_or_all_of_it_never_will() -> None:
    share = DailyShare(100, 1, reserve=0)
    share.own({0: 60.0})
    assert not share.worth_splitting(40, "live")  # it fits
    assert share.worth_splitting(100, "live")  # 40 of it
    share.own({0: 90.0})
    assert not share.worth_splitting(50, "live")  # a fifth: better one call tomorrow
    assert share.worth_splitting(101, "live")  # more than any day holds


def test_a_small_share_is_pooled_over_several_partitions() -> None:
    share = DailyShare(2, 8)
    share.own(dict.fromkeys(range(8), 0.0))
    assert spend(share, 1, "live")
    assert spend(share, 1, "live")
    assert not spend(share, 1, "live")


def test_a_new_day_begins_at_nothing() -> None:
    share = DailyShare(10, 1)
    share.own({0: 10.0})
    share.new_day()
    assert share.left("live") == 10


@pytest.mark.parametrize(("cap", "partitions", "reserve"), [(0, 1, 0.1), (1, 0, 0.1), (1, 1, 1.0)])
def test_senseless_numbers_are_refused(cap: float, partitions: int, reserve: float) -> None:
    with pytest.raises(ValueError, match="a daily cap needs"):
        DailyShare(cap, partitions, reserve=reserve)
