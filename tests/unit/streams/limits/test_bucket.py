"""The bucket's arithmetic: never more than it may, never less than it could."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.limits import TokenBucket

amounts = st.lists(st.tuples(st.floats(0, 20), st.floats(0.1, 50), st.booleans()), min_size=1, max_size=60)


@given(st.floats(0.01, 500), st.floats(1, 100), amounts)
def test_any_span_of_time_holds_at_most_rate_times_time_plus_the_largest(
    rate: float, burst: float, calls: list[tuple[float, float, bool]]
) -> None:
    bucket = TokenBucket(rate=rate, burst=burst, now=0.0)
    now, passed = 0.0, []
    for gap, amount, patient in calls:
        now += gap
        bucket.refill(now)
        wait = bucket.delay(amount)
        if wait > 0 and patient:
            now += wait
            bucket.refill(now, ceiling=amount)
            wait = bucket.delay(amount)
            assert wait < 1e-6
        if wait < 1e-6:
            bucket.take(amount)
            passed.append((now, amount))
    for first in range(len(passed)):
        total = 0.0
        for when, amount in passed[first:]:
            total += amount
            largest = max(burst, *(one for _, one in passed))
            assert total <= rate * (when - passed[first][0]) + largest + 1e-3


def test_starts_empty_and_grows_up_to_its_burst() -> None:
    bucket = TokenBucket(rate=2, burst=3, now=10)
    assert bucket.delay(1) == 0.5
    bucket.refill(100)
    assert bucket.tokens == 3


def test_saves_up_for_an_amount_over_its_burst() -> None:
    bucket = TokenBucket(rate=10, burst=1, now=0)
    bucket.refill(2, ceiling=50)
    assert bucket.delay(50) == pytest.approx(3)
    bucket.refill(5, ceiling=50)
    assert bucket.delay(50) == 0


def test_without_a_rate_nothing_ever_passes() -> None:
    assert TokenBucket(rate=0, burst=1, now=0).delay(1) == math.inf


def test_what_grew_before_a_change_grew_at_the_old_rate() -> None:
    bucket = TokenBucket(rate=1, burst=10, now=0)
    bucket.change(rate=100, burst=10, now=4)
    assert bucket.tokens == 4
    bucket.change(rate=1, burst=2, now=4)
    assert bucket.tokens == 2


def test_a_clock_that_goes_back_takes_nothing_away() -> None:
    bucket = TokenBucket(rate=1, burst=10, now=5)
    bucket.refill(8)
    bucket.refill(6)
    assert bucket.tokens == 3
    bucket.refill(8)
    assert bucket.tokens == 3
