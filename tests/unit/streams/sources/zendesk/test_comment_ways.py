"""Which way of reading comments the quotas make faster."""

from __future__ import annotations

import math

import pytest

from schemas.messages.imports import CommentsWay
from schemas.testing import a_ticket
from streams.sources.zendesk.comment_ways import Limits, Size, Ways, ways_of

START = 1_700_000_000.0


def sizes(count: int, comments: int | None = 5, **more: object) -> list[Size]:
    return [Size(comments, START, **more)] * count  # type: ignore[arg-type]


def test_a_large_account_takes_an_hour_instead_of_eight() -> None:
    ways = ways_of(sizes(1_000), 100_000, since=0)
    limits = Limits(200, 10)
    assert (ways.export_pages, ways.single_calls, ways.event_pages, ways.own_calls) == (100, 100_000, 500, 0)
    assert ways.minutes("single", limits) == pytest.approx(500.5)
    assert ways.minutes("bulk", limits) == pytest.approx(60)
    assert ways.faster(limits) == "bulk"


@pytest.mark.parametrize(
    ("tickets", "general", "incremental", "way"),
    [
        (1_000, 400, 10, "bulk"),  # 2.5 minutes against 0.6
        (100, 400, 10, "single"),  # a quarter of a minute is not worth it
        (100_000, 2_500, 10, "single"),  # 40 minutes against 60
        (100_000, 2_500, 30, "bulk"),  # against 20
        (100_000, 700, 10, "bulk"),
        (10, 1, 1, "bulk"),
    ],
)
def test_the_quotas_and_the_size_decide(
    tickets: int, general: int, incremental: int, way: CommentsWay
) -> None:
    assert ways_of(sizes(100), tickets, since=0).faster(Limits(general, incremental)) == way


def test_removed_tickets_cost_events_but_no_calls() -> None:
    ways = ways_of([*sizes(500), *sizes(500, removed=True)], 1_000, since=0)
    assert (ways.single_calls, ways.event_pages) == (500, 5)


def test_more_than_a_hundred_comments_are_more_calls() -> None:
    assert ways_of(sizes(10, 250), 10, since=0).single_calls == 30
    assert ways_of(sizes(10, 0), 10, since=0).single_calls == 10


def test_tickets_known_already_cost_nothing_ticket_by_ticket() -> None:
    seen = [*sizes(300, known=True), *sizes(100, known=False), *sizes(600, known=None)]
    ways = ways_of(seen, 1_000, since=0)
    assert ways.single_calls == pytest.approx(250)
    assert ways.event_pages == 5
    assert ways_of(sizes(10, known=None), 10, since=0).single_calls == 10


def test_tickets_older_than_the_import_are_asked_for_all_the_same() -> None:
    old = [Size(5, START - 10)] * 40
    ways = ways_of([*old, *sizes(60)], 1_000, since=START)
    assert ways.own_calls == 400


def test_other_events_and_doubtful_tickets_make_it_slower() -> None:
    ways = ways_of(sizes(100), 10_000, since=0, events_a_comment=4, doubtful=0.25)
    assert (ways.event_pages, ways.own_calls) == (200, 2_500)


def test_without_numbers_of_comments_there_is_no_bulk_way() -> None:
    ways = ways_of([*sizes(99), Size(None, START)], 100_000, since=0)
    assert math.isinf(ways.event_pages)
    assert ways.faster(Limits(1, 1_000)) == "single"
    assert ways_of([*sizes(99), Size(None, START, removed=True)], 100, since=0).event_pages == 1
    assert ways_of([], 0, since=0).faster(Limits(1, 1_000)) == "single"


def test_a_call_to_the_exports_counts_in_both_limits() -> None:
    ways = Ways(export_pages=10, single_calls=0, event_pages=40, own_calls=150)
    assert ways.minutes("bulk", Limits(20, 1_000)) == 10
    assert ways.minutes("single", Limits(20, 1_000)) == 0.5


def test_what_a_ticket_says_of_its_size() -> None:
    deleted = a_ticket(status="deleted")
    assert Size.of(deleted, 3, None) == Size(3, 1_704_067_200.0, True, None)
    assert Size.of(a_ticket(created_at="once"), 3).created == 0
