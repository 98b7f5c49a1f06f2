"""What offsets tell: backlog, ages and rates."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ticketstream.operations.watch.flow import Ends, Flow, together


def test_a_message_s_age_is_told_to_the_look() -> None:
    flow = Flow()
    flow.look(100.0, {0: 10, 1: 0}, {0: 10, 1: 0})
    assert (flow.backlog, flow.oldest_seconds(100.0)) == (0, None)
    flow.look(101.0, {0: 20, 1: 5}, {0: 10, 1: 0})
    flow.look(111.0, {0: 20, 1: 5}, {0: 10, 1: 0})
    assert flow.backlog == 15
    age = flow.oldest_seconds(111.0)
    assert age is not None
    assert 10.0 <= age <= 11.0
    flow.look(112.0, {0: 20, 1: 6}, {0: 20, 1: 5})
    age = flow.oldest_seconds(112.0)
    assert age is not None
    assert age <= 1.0


def test_what_waited_before_anybody_looked_has_an_age_too() -> None:
    flow = Flow()
    flow.before(0, [(0.0, 0), (500.0, 100), (900.0, 200)])
    flow.look(1000.0, {0: 200}, {0: 150})
    age = flow.oldest_seconds(1000.0)
    assert age is not None
    assert 100.0 < age < 500.0


def test_an_age_nobody_can_know_is_at_least_what_was_seen() -> None:
    flow = Flow()
    flow.look(1000.0, {0: 50}, {0: 10})
    flow.look(1060.0, {0: 50}, {0: 10})
    assert flow.oldest_seconds(1060.0) == 60.0


def test_rates_are_of_the_last_ten_seconds_and_unknown_before_there_are_two() -> None:
    flow = Flow()
    assert (flow.put_rate, flow.done_rate) == (None, None)
    for second in range(60):
        flow.look(float(second), {0: 10 * second, 1: 0}, {0: 5 * second, 1: 0})
        if second < 2:
            assert flow.put_rate is None
    assert flow.put_rate == pytest.approx(10)
    assert flow.done_rate == pytest.approx(5)
    for second in range(60, 75):
        flow.look(float(second), {0: 590, 1: 0}, {0: 295, 1: 0})
    assert (flow.put_rate, flow.done_rate) == (0.0, 0.0)
    assert flow.moved_at == 59.0


def test_without_work_nothing_stands_still() -> None:
    flow = Flow()
    for second in range(50):
        flow.look(float(second), {0: 7}, {0: 7})
    assert flow.moved_at == 49.0


def test_a_sum_of_rates_is_known_where_all_are() -> None:
    assert together([1.0, 2.5]) == 3.5
    assert together([1.0, None]) is None
    assert together([]) == 0.0


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0, 1)), min_size=1, max_size=3_000))
def test_memory_is_bounded_and_ages_never_lie_outside_of_what_was_seen(
    steps: list[tuple[int, float]],
) -> None:
    ends, end = Ends(), 0
    for number, (more, share) in enumerate(steps):
        end += more
        ends.add(float(number), end)
        ends.forget(int(end * share / 2))
    assert len(ends._ends) <= 1_001
    for offset in range(end // 2 + 1, end, max(1, end // 20)):
        put_at = ends.put_at(offset)
        assert put_at is not None
        assert 0.0 <= put_at <= len(steps)
    assert ends.put_at(end) is None
