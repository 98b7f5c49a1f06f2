"""How many tickets are in flight at Zendesk, and what makes that fewer."""

from __future__ import annotations

import pytest

from agents.knowledge.backlog import Backlog
from agents.tickets.gates import BEGIN_IN_FLIGHT, ZendeskGates
from streams.kafka.positions import Positions
from streams.limits import QuotaShare


class Waiting(QuotaShare):
    """A quota for which seven calls wait."""

    @property
    def waiting(self) -> int:
        return 7


@pytest.fixture
def backlog() -> Backlog:
    return Backlog(Positions(), 400, 100)


async def test_what_zendesk_refuses_takes_from_a_backfill_and_not_from_live_changes(backlog: Backlog) -> None:
    gates = ZendeskGates(QuotaShare(700, 4), backlog)
    gates.answered(200)
    assert gates.by_lane["backfill"].size == BEGIN_IN_FLIGHT
    for status in (429, 503, 0):
        gates.answered(status)
    assert gates.by_lane["backfill"].size < BEGIN_IN_FLIGHT
    assert gates.by_lane["live"].size == BEGIN_IN_FLIGHT


async def test_a_full_way_behind_enrich_is_not_taken_for_a_slow_zendesk(backlog: Backlog) -> None:
    gates = ZendeskGates(Waiting(700, 4), backlog)
    assert gates.waiting_for_quota() == 7
    async with backlog.room_for(400):
        assert gates.waiting_for_quota() is None
    assert gates.waiting_for_quota() == 7
