"""The comparison of account and index, held against a plain one."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.ids import Visibility, content_hash
from schemas.parts import ManyChunks, added
from tests.shared_fixtures import QUICK
from ticketstream.operations.reconcile.compare import SURPLUS, Findings, Kind, compare
from ticketstream.operations.reconcile.states import (
    AccountStates,
    IndexStates,
    LedgerStates,
    Presence,
    Statuses,
    place_of,
)

NOW = 2_000_000_000
CHANGED = 1_700_000_000
OPEN, SOLVED = 0, 1


class Sides:
    """Account, index and the pipeline's table, filled ticket by ticket."""

    def __init__(self) -> None:
        self.account, self.index, self.ledger = AccountStates(), IndexStates(), LedgerStates()

    def in_account(self, ticket_id: int, presence: Presence = Presence.PRESENT, **fields: int) -> Sides:
        row = {"version": CHANGED + 5, "updated": CHANGED, "status": OPEN} | fields
        self.account.add(ticket_id, presence=presence, **row)
        return self

    def written(self, ticket_id: int, public: int = 2, internal: int = 0, **fields: Any) -> Sides:
        hashes = {
            "public": [content_hash(f"{ticket_id} public {number}") for number in range(public)],
            "internal": [content_hash(f"{ticket_id} internal {number}") for number in range(internal)],
        }
        self.ledger.add(ticket_id, **({"version": CHANGED + 5} | hashes | fields))
        return self

    def holds(
        self,
        ticket_id: int,
        *indexes: int,
        visibility: Visibility = "public",
        text: str | None = None,
        **fields: Any,
    ) -> Sides:
        for number in indexes:
            content = content_hash(text or f"{ticket_id} {visibility} {number}")
            state = {"updated": CHANGED, "status": OPEN, "own_id": True} | fields
            self.index.add(ticket_id, visibility, number, content, **state)
        return self

    def in_step(self, ticket_id: int) -> Sides:
        self.in_account(ticket_id).written(ticket_id, 2, 1)
        return self.holds(ticket_id, 0, 1).holds(ticket_id, 0, visibility="internal")

    def found(self, only: list[int] | None = None) -> Findings:
        wanted = None if only is None else np.array(only, dtype=np.int64)
        tables = (self.account.newest(), self.index.tickets(), self.ledger.newest())
        return compare(*tables, only=wanted, now=NOW)[0]

    def kinds(self, only: list[int] | None = None) -> dict[int, Kind]:
        found = self.found(only)
        return {one: Kind(kind) for one, kind in zip(found.ids.tolist(), found.kinds.tolist(), strict=True)}


def test_nothing_differs_from_nothing() -> None:
    assert Sides().kinds() == {}
    assert Sides().found([3]).ids.size == 0


def test_what_is_as_it_should_be_is_not_named() -> None:
    sides = Sides().in_step(7).in_step(3)
    sides.in_account(9, Presence.DELETED).in_account(11, Presence.DELETED).in_account(13, Presence.UNREADABLE)
    sides.holds(13, 0, updated=1)
    assert sides.kinds() == {}
    _, totals = compare(sides.account.newest(), sides.index.tickets(), sides.ledger.newest(), now=NOW)
    assert totals._asdict() == {
        "account": 2,
        "removed": 2,
        "unreadable": 1,
        "indexed": 3,
        "without_text": 0,
        "objects": 7,
    }


def test_each_way_to_differ() -> None:
    sides = Sides().in_account(1).written(1)
    sides.in_account(2, updated=CHANGED + 1).written(2).holds(2, 0, 1)
    sides.in_account(3, status=SOLVED).written(3).holds(3, 0, 1)
    sides.in_account(4).written(4).holds(4, 0).holds(4, 1, status=SOLVED)
    sides.in_account(5, Presence.DELETED).holds(5, 0)
    sides.holds(7, 0)
    sides.in_step(8)
    assert sides.kinds() == {
        1: Kind.MISSING,
        2: Kind.STALE,
        3: Kind.STALE,
        4: Kind.STALE,
        5: Kind.DELETED,
        7: Kind.UNKNOWN,
    }
    found = sides.found()
    assert found.count(*SURPLUS) == 2
    assert found.examples(Kind.STALE, 2) == [2, 3]
    assert sides.kinds([1, 7, 8]) == {1: Kind.MISSING, 7: Kind.UNKNOWN}


def test_a_ticket_without_text_is_not_missing_while_the_pipeline_says_so_of_its_version() -> None:
    sides = Sides().in_account(1).written(1, 0)
    sides.in_account(2).written(2, 0, version=CHANGED)  # it may have text since
    sides.in_account(3).written(3, 0, removed=True)
    sides.in_account(4).written(4, 0).written(4, gone=True)
    assert sides.kinds() == {2: Kind.MISSING, 3: Kind.MISSING, 4: Kind.MISSING}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda sides: sides.holds(1, 0),  # the last is lost: no gap tells
        lambda sides: sides.holds(1, 1),
        lambda sides: sides.holds(1, 0, 1, 2),
        lambda sides: sides.holds(1, 0, 1).holds(1, 1),
        lambda sides: sides.holds(1, 0, 1).holds(1, 0, visibility="internal"),
        lambda sides: sides.holds(1, 0).holds(1, 1, visibility="internal"),
        lambda sides: sides.holds(1, 0).holds(1, 1, text="something else"),
        lambda sides: sides.holds(1, 0).holds(1, 1, own_id=False),
        lambda sides: sides.holds(1, 0, -1),
        lambda sides: sides.holds(1, 0, 2**40),
    ],
)
def test_chunks_that_are_not_those_the_pipeline_wrote(spoil: Any) -> None:
    sides = Sides().in_account(1).written(1, 2).in_step(2)
    spoil(sides)
    assert sides.kinds() == {1: Kind.CHUNKS}


def test_without_the_pipelines_word_only_numbers_and_ids_tell() -> None:
    sides = Sides().in_account(1).holds(1, 0)
    sides.in_account(2).holds(2, 0, 2)
    sides.in_account(3).written(3, 5, here=False).holds(3, 0)
    sides.in_account(4).holds(4, 0, own_id=False)
    assert sides.kinds() == {2: Kind.CHUNKS, 4: Kind.CHUNKS}


def test_the_newest_state_of_a_ticket_counts() -> None:
    sides = Sides().in_account(1, version=9, updated=1).in_account(1, version=20).in_account(1, version=8)
    sides.written(1, 7).written(1, 2).holds(1, 0, 1)
    sides.in_account(2, version=9).in_account(2, Presence.DELETED, version=9)
    assert sides.kinds() == {}


def test_the_stamp_is_the_newest_change_that_any_side_knows_and_never_in_the_future() -> None:
    sides = Sides().in_account(1, version=30, updated=20).written(1, version=40).holds(1, 0, updated=50)
    sides.in_account(2, version=30).written(2, version=NOW + 10).holds(2, 0, updated=NOW + 99)
    sides.holds(3, 0, updated=NOW + 99)
    found = sides.found()
    assert found.stamps.tolist() == [50, 30, 0]
    assert found.versions.tolist() == [40, NOW + 10, 0]


def test_statuses_have_numbers_of_their_own() -> None:
    statuses = Statuses()
    assert [statuses.number(name) for name in ("open", "solved", "open", "new")] == [0, 1, 0, 2]


def test_places_tell_visibility_and_index_apart() -> None:
    both: tuple[Visibility, ...] = ("public", "internal")
    places = {place_of(visibility, index) for visibility in both for index in range(50)}
    assert len(places) == 100


TICKETS = st.lists(st.integers(1, 12), max_size=30)


@QUICK
@given(TICKETS, TICKETS, TICKETS, st.sets(st.integers(1, 12)))
def test_as_a_plain_comparison_would(
    present: list[int], gone: list[int], indexed: list[int], textless: set[int]
) -> None:
    sides = Sides()
    expected: dict[int, Kind] = {}
    account = dict.fromkeys(present, Presence.PRESENT) | dict.fromkeys(gone, Presence.DELETED)
    for ticket_id in present:
        sides.in_account(ticket_id, version=1)
    for ticket_id in gone:
        sides.in_account(ticket_id, Presence.DELETED, version=1)
    held: dict[int, int] = defaultdict(int)
    for ticket_id in indexed:
        sides.holds(ticket_id, held[ticket_id])
        held[ticket_id] += 1
    for ticket_id in textless - set(indexed):
        sides.written(ticket_id, 0)
    for ticket_id in account.keys() | held.keys():
        if ticket_id not in account:
            expected[ticket_id] = Kind.UNKNOWN
        elif account[ticket_id] is Presence.DELETED:
            if ticket_id in held:
                expected[ticket_id] = Kind.DELETED
        elif ticket_id not in held and ticket_id not in textless:
            expected[ticket_id] = Kind.MISSING
    assert sides.kinds() == expected


def test_of_a_large_ticket_the_sum_over_its_chunks_tells() -> None:
    def sides(*held: int) -> Sides:
        content = 0
        for number in range(3):
            content = added(content, "public", number, content_hash(f"1 public {number}"))
        entry = {"public": [], "internal": [], "many": ManyChunks(3, 0, f"{content:016x}")}
        made = Sides().in_account(1)
        made.ledger.add(1, CHANGED + 5, **entry)  # type: ignore[arg-type]
        return made.holds(1, *held)

    assert sides(0, 1, 2).kinds() == {}
    assert sides(0, 1).kinds() != {}
    assert sides(0, 1).holds(1, 2, text="another text").kinds() != {}
