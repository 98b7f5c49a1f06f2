"""Which way of reading comments is the faster one: arithmetic only.

Ticket by ticket, an import waits for the account's general limit: a call a ticket, and one more for each
further hundred comments. In bulk it waits for the limit of the incremental exports, which tickets and events
share: a call for a thousand of either. Then only tickets whose events cannot be believed, or which are older
than the import's beginning, cost a call of their own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from schemas.errors import DecodeError
from schemas.messages.imports import CommentsWay
from schemas.times import epoch
from schemas.zendesk import Ticket
from streams.sources.zendesk.export import LARGEST_PAGE
from streams.sources.zendesk.ticket_events import EVENTS_A_PAGE
from streams.transforms.whole_ticket import is_removed

COMMENTS_A_CALL = 100
_WORTH_MINUTES = 0.5
"""The bulk way has the first tickets wait for their events: for less than this it is not worth it."""


class Size(NamedTuple):
    """What one row of the export says of the work that comments are.

    ``comments`` is None where Zendesk does not tell. ``removed`` tickets need none. ``known``: this state
    of the ticket has been imported already (None: nobody here can tell). ``created``: Unix seconds.
    """

    comments: int | None
    created: float
    removed: bool = False
    known: bool | None = False

    @classmethod
    def of(cls, ticket: Ticket, comments: int | None, known: bool | None = False) -> Self:
        """Return what a ticket says; one that does not tell when it was created counts as old."""
        try:
            created = epoch(ticket.created_at)
        except DecodeError:
            created = 0.0
        return cls(comments, created, is_removed(ticket), known)


@dataclass(frozen=True, slots=True)
class Limits:
    """Zendesk's limits: requests a minute, of which so many to ``/incremental/*``."""

    general: float
    incremental: float


@dataclass(frozen=True, slots=True)
class Ways:
    """The calls that either way takes; ``event_pages`` is infinite where the bulk way cannot be gone."""

    export_pages: float
    single_calls: float
    event_pages: float
    own_calls: float
    """Calls for single tickets that the bulk way makes all the same."""

    def minutes(self, way: CommentsWay, limits: Limits) -> float:
        """Return how long the limits make an import take, at best."""
        pages, calls = self.export_pages, self.single_calls
        if way == "bulk":
            pages, calls = pages + self.event_pages, self.own_calls
        return max((pages + calls) / limits.general, pages / limits.incremental)

    def faster(self, limits: Limits) -> CommentsWay:
        """Return the way to go."""
        if self.minutes("single", limits) - self.minutes("bulk", limits) >= _WORTH_MINUTES:
            return "bulk"
        return "single"


def ways_of(
    seen: Sequence[Size],
    total: float,
    *,
    since: float,
    events_a_comment: float = 1.0,
    doubtful: float = 0.0,
) -> Ways:
    """Return the calls of both ways for ``total`` tickets, of which some have been seen.

    ``since`` is where the import begins (Unix seconds): of tickets created before it, the events do not
    tell all comments. ``events_a_comment`` is how many events there are to one comment, ``doubtful`` the
    share of tickets whose events cannot be believed.
    """
    times = total / len(seen) if seen else 0.0
    asked = [size.known for size in seen if size.known is not None]
    fresh = 1 - sum(asked) / len(asked) if asked else 1.0
    single = bulk = comments = 0.0
    countable = True
    for size in seen:
        if size.comments is None:
            countable = countable and size.removed
            single += not size.removed
            continue
        calls = 0 if size.removed else max(1, math.ceil(size.comments / COMMENTS_A_CALL))
        single += calls
        comments += size.comments
        bulk += calls if size.created < since else calls * doubtful
    events = comments * times * events_a_comment
    return Ways(
        export_pages=max(1, math.ceil(total / LARGEST_PAGE)),
        single_calls=single * times * fresh,
        event_pages=max(1, math.ceil(events / EVENTS_A_PAGE)) if countable and seen else math.inf,
        own_calls=bulk * times * fresh,
    )
