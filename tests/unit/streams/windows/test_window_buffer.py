"""The rule of windows: order kept, nothing lost, no window over its limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.windows.buffer import WindowBuffer

Item = tuple[int, float]
WEIGHTS = st.lists(st.integers(0, 30).map(float), max_size=60)


def buffer(max_items: int = 3, max_weight: float = 10, max_seconds: float = 5) -> WindowBuffer[Item]:
    return WindowBuffer(max_items=max_items, max_weight=max_weight, max_seconds=max_seconds)


@given(
    weights=WEIGHTS,
    gaps=st.lists(st.floats(0, 4), min_size=60, max_size=60),
    taken=st.lists(st.booleans(), min_size=60, max_size=60),
    max_items=st.integers(1, 8),
    max_weight=st.integers(1, 40).map(float),
)
def test_windows_keep_order_lose_nothing_and_stay_inside_their_limits(
    weights: list[float], gaps: list[float], taken: list[bool], max_items: int, max_weight: float
) -> None:
    windows = buffer(max_items, max_weight)
    out: list[list[Item]] = []
    now = 0.0
    for n, weight in enumerate(weights):
        now += gaps[n]
        windows.add((n, weight), weight, now)
        while taken[n] and (window := windows.take(now)):
            out.append(window)
    windows.flush()
    while window := windows.take(now):
        out.append(window)

    assert [item for window in out for item in window] == list(enumerate(weights))
    assert len(windows) == 0
    for window in out:
        assert 1 <= len(window) <= max_items
        assert sum(weight for _, weight in window) <= max_weight or len(window) == 1


@given(weights=WEIGHTS, max_items=st.integers(1, 8), max_weight=st.integers(1, 40).map(float))
def test_a_full_window_could_not_take_the_next_item(
    weights: list[float], max_items: int, max_weight: float
) -> None:
    windows = buffer(max_items, max_weight, max_seconds=1e9)
    out = []
    for n, weight in enumerate(weights):
        if windows.add((n, weight), weight, 0):
            while window := windows.take(0):
                out.append(window)
        assert not windows.full
    following = [window[0] for window in out[1:]]
    for window, (_, weight) in zip(out, following, strict=False):
        held = sum(w for _, w in window)
        assert len(window) == max_items or held >= max_weight or held + weight > max_weight


@given(weights=WEIGHTS, unwanted=st.sets(st.integers(0, 60)))
def test_discarded_items_leave_no_trace(weights: list[float], unwanted: set[int]) -> None:
    windows, expected = buffer(4, 25), buffer(4, 25)
    for n, weight in enumerate(weights):
        windows.add((n, weight), weight, 0)
        if n not in unwanted:
            expected.add((n, weight), weight, 0)
    gone = windows.discard(lambda item: item[0] in unwanted)
    assert gone == len(unwanted & set(range(len(weights))))
    assert windows.full == expected.full
    for each in (windows, expected):
        each.flush()
    while window := expected.take(0):
        assert windows.take(0) == window
    assert windows.take(0) == []


def test_a_window_is_due_when_it_is_full_or_old_enough_and_not_before() -> None:
    windows = buffer(max_items=3, max_weight=10, max_seconds=5)
    assert windows.closes_at() is None
    assert windows.add((0, 1), 1, now=100) is False
    windows.add((1, 1), 1, now=103)
    assert windows.closes_at() == 105
    assert windows.take(104.9) == []
    assert windows.take(105) == [(0, 1), (1, 1)]

    windows.add((2, 4), 4, now=200)
    assert windows.add((3, 6), 6, now=200) is True
    assert windows.take(200) == [(2, 4), (3, 6)]


def test_what_stays_behind_keeps_its_own_time() -> None:
    windows = buffer(max_items=2, max_weight=10, max_seconds=5)
    for n in range(3):
        windows.add((n, 1), 1, now=float(n))
    assert windows.take(2) == [(0, 1), (1, 1)]
    assert windows.closes_at() == 7


def test_flush_makes_due_what_waits_and_nothing_later() -> None:
    windows = buffer(max_items=2, max_weight=10, max_seconds=5)
    windows.add((0, 1), 1, now=0)
    windows.flush()
    windows.add((1, 1), 1, now=0)
    windows.add((2, 1), 1, now=0)
    assert windows.take(0) == [(0, 1), (1, 1)]
    assert windows.take(0) == []


def test_an_item_heavier_than_a_window_goes_alone() -> None:
    windows = buffer(max_items=3, max_weight=10)
    for n, weight in enumerate((1.0, 50.0, 1.0)):
        windows.add((n, weight), weight, 0)
    windows.flush()
    assert [windows.take(0) for _ in range(3)] == [[(0, 1.0)], [(1, 50.0)], [(2, 1.0)]]


@pytest.mark.parametrize("wrong", [{"max_items": 0}, {"max_weight": 0}, {"max_seconds": -1}])
def test_limits_without_meaning_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="a window needs"):
        buffer(**wrong)
