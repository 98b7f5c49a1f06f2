"""How many tickets a worker has in flight at Zendesk."""

from __future__ import annotations

from typing import Final

from agents.knowledge.backlog import Backlog
from schemas.lanes import Lane
from streams.limits import QuotaShare
from streams.limits.gate import Gate
from streams.limits.in_flight import Adaptive

BEGIN_IN_FLIGHT: Final = 50
"""Tickets in flight at Zendesk, for each lane, to begin with; see Adaptive for how that goes on."""
_MOST_IN_FLIGHT: Final = 256
"""What a quota of 2,500 calls a minute needs when an answer takes 6 s."""
_OVERLOADED: Final = frozenset({0, 429, 500, 502, 503, 504})
"""Zendesk's statuses (0: no answer) that ask for fewer calls at once."""


class ZendeskGates:
    """How many tickets are in flight at Zendesk, for each lane; fits itself to what Zendesk answers.

    The gate of live changes never gets smaller than it begins: only a backfill makes way when Zendesk
    refuses.
    """

    def __init__(self, general: QuotaShare, backlog: Backlog) -> None:
        self._general = general
        self._backlog = backlog
        self.by_lane: dict[Lane, Gate] = {
            "live": self._gate(least=BEGIN_IN_FLIGHT),
            "backfill": self._gate(1),
        }

    def _gate(self, least: int) -> Gate:
        size = Adaptive(BEGIN_IN_FLIGHT, least=least, most=max(BEGIN_IN_FLIGHT, _MOST_IN_FLIGHT))
        return Gate(size, waiting=self.waiting_for_quota)

    def waiting_for_quota(self) -> int | None:
        """Return how many calls wait for Zendesk's quota; None while a full backlog holds tickets back."""
        return None if self._backlog.is_long() else self._general.waiting

    def answered(self, status: int) -> None:
        """Note the status of a call (0: no answer)."""
        if status in _OVERLOADED:
            for gate in self.by_lane.values():
                gate.refused()
