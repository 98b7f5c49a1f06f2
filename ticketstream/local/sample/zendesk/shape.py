"""What kind of ticket each id of the account is, and when it changed: a few bytes a ticket.

Everything else is made from (seed, id) when it is asked for, so an account of any size starts at
once and stays small.
"""

from __future__ import annotations

from enum import IntEnum
from itertools import chain
from typing import Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

START: Final = 1_719_792_000
"""The first ticket is created after 2024-07-01T00:00:00Z …"""
SPAN: Final = 730 * 86_400
"""… the last one within two years …"""
END: Final = START + SPAN + 30 * 86_400
"""… and the last change of the generated account is here, 2026-07-31T00:00:00Z."""

STATUSES: Final = ("new", "open", "pending", "hold", "solved", "closed")


class Kind(IntEnum):
    """What is special about a ticket."""

    PLAIN = 0
    DELETED = 1
    MERGED = 2
    SPAM = 3
    MANY_COMMENTS = 4
    LONG = 5
    EMPTY = 6


_SHARES: Final = (
    (Kind.DELETED, 0.010),
    (Kind.MERGED, 0.010),
    (Kind.SPAM, 0.010),
    (Kind.MANY_COMMENTS, 0.010),
    (Kind.LONG, 0.006),
    (Kind.EMPTY, 0.010),
)
SHOWCASE: Final = {
    3: Kind.EMPTY,
    5: Kind.DELETED,
    7: Kind.MANY_COMMENTS,
    11: Kind.MERGED,
    13: Kind.SPAM,
    17: Kind.LONG,
}
"""From 20 tickets on, these ids are of these kinds, whatever the seed."""


def uniform(seed: int, salt: int, count: int) -> npt.NDArray[np.float64]:
    """Return ``count`` numbers in [0, 1), the same for the same seed and salt (splitmix64)."""
    with np.errstate(over="ignore"):
        x = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        x += np.uint64((seed * 0x632BE59BD9B4E019 + salt * 0xD1342543DE82EF95) % 2**64)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x ^= x >> np.uint64(31)
    result: npt.NDArray[np.float64] = (x >> np.uint64(11)).astype(np.float64) / 2**53
    return result


class Shape:
    """Arrays over the tickets; index 0 is ticket 1. Times are whole Unix seconds.

    ``order`` holds the indexes in the order of the export: by ``generated``, then id.
    """

    def __init__(self, seed: int, tickets: int) -> None:
        self.tickets = tickets
        self.kind = self._kinds(seed, tickets)
        self.comments = self._comment_counts(seed, tickets)
        self.status = self._statuses(seed, tickets)

        index = np.arange(tickets, dtype=np.float64)
        created = START + (index + uniform(seed, 1, tickets)) * (SPAN / max(tickets, 1))
        self.created: Ints = created.astype(np.int64)
        life = 600 + uniform(seed, 2, tickets) ** 4 * 25 * 86_400 + self.comments * 90
        self.updated: Ints = np.minimum(self.created + life.astype(np.int64), END - 86_400)
        self.generated = self._generated(seed)
        self.order: Ints = np.lexsort((np.arange(tickets), self.generated)).astype(np.int64)

    @staticmethod
    def _kinds(seed: int, tickets: int) -> npt.NDArray[np.uint8]:
        kind = np.zeros(tickets, dtype=np.uint8)
        draw = uniform(seed, 3, tickets)
        low = 0.0
        for value, share in _SHARES:
            kind[(draw >= low) & (draw < low + share)] = value
            low += share
        if tickets >= 20:
            for ticket_id, value in SHOWCASE.items():
                kind[ticket_id - 1] = value
        return kind

    def _comment_counts(self, seed: int, tickets: int) -> Ints:
        draw = uniform(seed, 4, tickets)
        counts = 1 + (draw**1.6 * 8).astype(np.int64)
        many = self.kind == Kind.MANY_COMMENTS
        counts[many] = 101 + (draw[many] * 160).astype(np.int64)
        counts[self.kind == Kind.SPAM] = 1
        counts[self.kind == Kind.EMPTY] = np.minimum(counts[self.kind == Kind.EMPTY], 2)
        return counts

    def _statuses(self, seed: int, tickets: int) -> npt.NDArray[np.uint8]:
        draw = uniform(seed, 5, tickets)
        status = np.searchsorted([0.08, 0.28, 0.40, 0.45, 0.70], draw, side="right").astype(np.uint8)
        status[self.kind == Kind.MERGED] = STATUSES.index("closed")
        status[self.kind == Kind.SPAM] = 0
        return status

    def _generated(self, seed: int) -> Ints:
        """Most rows move with their change, many with an hourly automation, some with one bulk change."""
        generated = self.updated + (uniform(seed, 6, self.tickets) * 5).astype(np.int64)
        draw = uniform(seed, 7, self.tickets)
        step = max(60, SPAN // max(1, self.tickets // 120))
        automated = draw < 0.4
        generated[automated] = (generated[automated] // step + 1) * step
        generated = np.minimum(generated, END - 3_600)
        generated[draw > 0.95] = END
        return generated.astype(np.int64)

    def merged_into(self, ticket_id: int) -> int | None:
        """Return the plain ticket near it that one was merged into; None for one that was not merged."""
        if self.kind[ticket_id - 1] != Kind.MERGED:
            return None
        near = chain(range(ticket_id - 1, 0, -1), range(ticket_id + 1, self.tickets + 1))
        return next((one for one in near if self.kind[one - 1] == Kind.PLAIN), None)

    def comment_times(self, index: int) -> tuple[int, int]:
        """Return when the first comment of a ticket was written, and the seconds between two of them."""
        count = int(self.comments[index])
        created = int(self.created[index])
        return created, 0 if count == 1 else (int(self.updated[index]) - created) // (count - 1)
