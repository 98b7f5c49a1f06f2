"""The export's order, against a plain model of it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ticketstream.local.sample.zendesk.account import Account
from ticketstream.local.sample.zendesk.export import decode, encode, horizon, page, start_place
from ticketstream.local.sample.zendesk.order import key
from ticketstream.local.sample.zendesk.shape import END

NOW = END + 1_000


def account_at(now: float, tickets: int = 60) -> Account:
    return Account("acme", tickets, seed=5, clock=lambda: now)


@settings(max_examples=60, deadline=None)
@given(
    moves=st.lists(st.tuples(st.integers(1, 60), st.integers(0, 3)), max_size=80),
    limit=st.integers(1, 25),
)
def test_walking_along_meets_each_ticket_once_at_its_last_change(
    moves: list[tuple[int, int]], limit: int
) -> None:
    account = account_at(NOW)
    model = {i: account.generated_timestamp(i) for i in range(1, 61)}
    now = END + 1
    for ticket_id, step in moves:
        now += step
        account.order.move(ticket_id, now)
        model[ticket_id] = now
    until = END + 40
    expected = sorted(key(generated, i) for i, generated in model.items() if generated < until)
    found: list[int] = []
    place, more = 0, True
    while more:
        places, more = account.order.after(place, limit, until)
        assert account.order.before(place, 3) == found[-3:]
        found += places
        place = places[-1] if places else place
    assert found == expected


def test_the_last_seconds_are_held_back_until_they_are_over() -> None:
    assert horizon(100.9, 0) == 100
    assert horizon(100.9, 60) == 40
    account = account_at(NOW)
    live = account.materialise(1)
    account.touch(live, NOW - 60)
    held = page(account, key(END, 10**6), 10, 60, "", False)
    assert (held["tickets"], held["end_of_stream"]) == ([], True)
    later = page(account, key(END, 10**6), 10, 59, "", False)
    assert [row["id"] for row in later["tickets"]] == [1]


def test_the_cursor_of_an_empty_page_is_never_null() -> None:
    account = account_at(NOW)
    place = start_place(str(NOW - 60), NOW, 60)
    body = page(account, place, 10, 60, "http://x", False)
    assert decode(body["after_cursor"]) == place
    assert body["end_of_stream"]


def test_repeated_rows_come_from_the_page_before_and_keep_the_limit() -> None:
    account = account_at(NOW, 2_000)
    place, shown, repeated, more = 0, [], 0, True
    first = True
    while more:
        body = page(account, place, 40, 60, "", not first)
        ids = [row["id"] for row in body["tickets"]]
        assert len(ids) <= 40
        known = [i for i in ids if i in shown[-40:]]
        repeated += len(known)
        shown += ids
        place, more, first = decode(body["after_cursor"]), not body["end_of_stream"], False
    assert repeated > 10
    assert set(shown) == set(range(1, 2_001))
    assert len(shown) == 2_000 + repeated


def test_cursors_look_like_the_recorded_ones() -> None:
    assert encode(key(1_694_303_526, 4_013)) == "MTY5NDMwMzUyNi4wfHw0MDEzfA=="
