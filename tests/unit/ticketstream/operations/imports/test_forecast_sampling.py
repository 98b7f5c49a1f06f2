"""Which tickets a forecast looks into, and what follows from them for all."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.shared_fixtures import QUICK
from ticketstream.operations.imports.forecast.sampling import choose, margin_of, total_of


@QUICK
@given(st.lists(st.floats(0, 1e6), max_size=80), st.integers(3, 40))
def test_every_item_is_looked_into_or_stood_for(items: list[float], sample: int) -> None:
    chosen = choose(items, lambda item: item, sample)
    assert len(chosen.largest) + chosen.others == len(items)
    assert chosen.count == min(sample, len(items))
    if chosen.some:
        assert max(chosen.some) <= min(chosen.largest)


@QUICK
@given(st.lists(st.floats(0, 1e6), max_size=40))
def test_looking_into_all_is_exact(items: list[float]) -> None:
    chosen = choose(items, lambda item: item, 40)
    assert total_of(chosen.largest, chosen.some, chosen.others) == pytest.approx(sum(items))
    assert margin_of(chosen.largest, chosen.some, chosen.others, len(items)) == 0


def test_the_margin_holds_about_as_often_as_it_says_for_what_a_desk_looks_like() -> None:
    draw = random.Random(1)
    held = 0
    rounds = 200
    for _ in range(rounds):
        # Most tickets are small, one in a hundred is very large, and a size can only be guessed.
        sizes = [
            draw.expovariate(1 / 20_000) if draw.random() < 0.01 else draw.expovariate(1 / 200)
            for _ in range(2_000)
        ]
        items = [(size, size * draw.uniform(0.5, 2)) for size in sizes]
        chosen = choose(items, lambda item: item[1], 150)
        largest, some = [item[0] for item in chosen.largest], [item[0] for item in chosen.some]
        estimate = total_of(largest, some, chosen.others)
        margin = margin_of(largest, some, chosen.others, len(items))
        held += abs(estimate - sum(sizes)) <= margin * estimate
        assert margin < 0.25
    assert held > 0.9 * rounds


def test_what_was_not_even_seen_widens_the_margin() -> None:
    largest, some = [500.0, 400.0], [10.0, 12.0, 8.0]
    assert margin_of(largest, some, 98, 100) < margin_of(largest, some, 98, 100_000)


def test_nothing_at_all_has_no_margin() -> None:
    assert margin_of([], [], 0, 0) == 0
    assert margin_of([0.0], [0.0], 5, 50) == 0
