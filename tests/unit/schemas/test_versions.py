"""Which of two states is newer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.messages.tickets import Origin
from schemas.tables import SeenTicket
from schemas.versions import Standing, standing
from tests.shared_fixtures import QUICK

VERSIONS = st.integers(0, 5)
DIGESTS = st.sampled_from("ab")


def known(version: int, digest: str) -> SeenTicket:
    return SeenTicket(version, digest, Origin("t", 0, 0))


def test_what_nobody_has_seen_is_new() -> None:
    assert standing(0, "a", None) is Standing.NEW


def test_newer_is_new_and_older_is_stale_whatever_they_say() -> None:
    for text in "ab":
        assert standing(6, text, known(5, "a")) is Standing.NEW
        assert standing(4, text, known(5, "a")) is Standing.STALE


def test_two_changes_in_one_second_are_both_wanted() -> None:
    assert standing(5, "a", known(5, "a")) is Standing.DUPLICATE
    assert standing(5, "b", known(5, "a")) is Standing.NEW


@QUICK
@given(st.lists(st.tuples(VERSIONS, DIGESTS), min_size=1, max_size=30))
def test_the_version_known_never_goes_back_and_the_newest_is_reached(states: list[tuple[int, str]]) -> None:
    newest: SeenTicket | None = None
    for version, digest in states:
        before = newest.version if newest else -1
        if standing(version, digest, newest) is Standing.NEW:
            newest = known(version, digest)
        assert newest is not None
        assert newest.version >= before
        assert standing(version, digest, newest) is not Standing.NEW
    assert newest is not None
    assert newest.version == max(version for version, _ in states)
