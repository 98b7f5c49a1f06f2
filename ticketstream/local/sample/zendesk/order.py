"""The order in which tickets last changed: what the incremental export walks along."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import Final

import numpy as np

from ticketstream.local.sample.zendesk.shape import Shape

_ID_BITS: Final = 26
_ID_MASK: Final = (1 << _ID_BITS) - 1


def key(generated: int, ticket_id: int) -> int:
    """Return the place of a ticket: by generated timestamp, then id."""
    return generated << _ID_BITS | ticket_id


def unkey(value: int) -> tuple[int, int]:
    """Return generated timestamp and ticket id of a place."""
    return value >> _ID_BITS, value & _ID_MASK


class ChangeOrder:
    """Every ticket has one place, that of its last change.

    Tickets that never changed live keep their place in one sorted array; live changes come after
    all of them, in a sorted list.
    """

    def __init__(self, shape: Shape) -> None:
        order = shape.order
        self._base = (shape.generated[order] << _ID_BITS) | (order + 1)
        self._moved = np.zeros(shape.tickets + 1, dtype=bool)
        self._live: list[int] = []
        self._place: dict[int, int] = {}

    def move(self, ticket_id: int, generated: int) -> None:
        """Give a ticket its new place; timestamps of live changes never fall behind the generated ones."""
        old = self._place.get(ticket_id)
        if old is not None:
            del self._live[bisect_left(self._live, old)]
        elif ticket_id < self._moved.size:
            self._moved[ticket_id] = True
        self._place[ticket_id] = place = key(generated, ticket_id)
        insort(self._live, place)

    def after(self, place: int, limit: int, horizon: int) -> tuple[list[int], bool]:
        """Return up to ``limit`` places after ``place``, before second ``horizon``; and if more follow."""
        end = key(horizon, 0)
        found: list[int] = []
        start = int(np.searchsorted(self._base, place, side="right"))
        stop = int(np.searchsorted(self._base, end, side="left"))
        while start < stop and len(found) <= limit:
            part = self._base[start : min(stop, start + limit + 1)]
            kept = part[~self._moved[part & _ID_MASK]]
            found.extend(kept.tolist())
            start += part.size
        low, high = bisect_right(self._live, place), bisect_left(self._live, end)
        if len(found) <= limit:
            found.extend(self._live[low : min(high, low + limit + 1 - len(found))])
        return found[:limit], len(found) > limit

    def before(self, place: int, limit: int) -> list[int]:
        """Return up to ``limit`` places at or before ``place``, the earliest first."""
        found = self._live[: bisect_right(self._live, place)][-limit:] if limit else []
        missing = limit - len(found)
        if missing > 0:
            stop = int(np.searchsorted(self._base, place, side="right"))
            part = self._base[max(0, stop - 10 * missing) : stop]
            found = part[~self._moved[part & _ID_MASK]].tolist()[-missing:] + found
        return found
