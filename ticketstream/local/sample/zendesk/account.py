"""The account as it is now: what was generated, and on top of it what changed since the start."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from ticketstream.local.sample.zendesk.order import ChangeOrder
from ticketstream.local.sample.zendesk.people import BRANDS, GROUPS, People, Row
from ticketstream.local.sample.zendesk.shape import END, STATUSES, Ints, Kind, Shape
from ticketstream.local.sample.zendesk.tickets import Generated

GONE: Final = len(STATUSES)
"""The status code of a ticket that is no longer there."""


class LiveTicket:
    """A ticket that changed since the start.

    ``gone`` is ``deleted``, ``spam`` or ``purged`` for a ticket that is no longer there, else None;
    ``before`` is the status it comes back to. Rows and comments are replaced, never changed in place.
    """

    __slots__ = ("before", "comments", "deleted_by", "generated", "gone", "merged_into", "row")

    def __init__(
        self, row: Row, comments: Sequence[Row], generated: int, gone: str | None, before: str
    ) -> None:
        self.row = row
        self.comments = comments
        self.generated = generated
        self.gone = gone
        self.before = before
        self.deleted_by: int | None = None
        self.merged_into: int | None = None


class Account:
    """Tickets by id, and their order of change; ``clock`` gives Unix seconds."""

    def __init__(self, name: str, tickets: int, seed: int, clock: Callable[[], float] = time.time) -> None:
        self.name = name
        self.seed = seed
        self.clock = clock
        self.shape = Shape(seed, tickets)
        self.people = People(name, tickets)
        self.order = ChangeOrder(self.shape)
        self._generated = Generated(name, seed, self.people, self.shape)
        self._live: dict[int, LiveTicket] = {}
        self._latest = END + 1
        codes = self.shape.status.copy()
        codes[(self.shape.kind == Kind.DELETED) | (self.shape.kind == Kind.SPAM)] = GONE
        self._codes = bytearray(codes.tobytes())

    def __len__(self) -> int:
        return len(self._codes)

    def now(self) -> int:
        """Return the second a live change carries: never before an earlier change."""
        self._latest = max(int(self.clock()), self._latest)
        return self._latest

    def exists(self, ticket_id: int) -> bool:
        """Say whether there ever was such a ticket."""
        return 0 < ticket_id <= len(self._codes)

    def present(self, ticket_id: int) -> bool:
        """Say whether the ticket is there."""
        return 0 < ticket_id <= len(self._codes) and self._codes[ticket_id - 1] != GONE

    def gone(self, ticket_id: int) -> str | None:
        """Return ``deleted``, ``spam`` or ``purged`` for a ticket that is no longer there, else None."""
        if self._codes[ticket_id - 1] != GONE:
            return None
        live = self._live.get(ticket_id)
        if live is not None:
            return live.gone
        return "spam" if self.shape.kind[ticket_id - 1] == Kind.SPAM else "deleted"

    def removed(self, ticket_id: int) -> bool:
        """Say whether an index must not hold the ticket: deleted, maybe as spam."""
        return self._codes[ticket_id - 1] == GONE

    def merged_into(self, ticket_id: int) -> int | None:
        """Return the ticket that one was merged into, None for one that was not."""
        live = self._live.get(ticket_id)
        return self.shape.merged_into(ticket_id) if live is None else live.merged_into

    def ids(self, *statuses: str) -> Ints:
        """Return the ids of the tickets with these statuses, ascending; ``deleted`` is one of them."""
        codes = np.frombuffer(bytes(self._codes), dtype=np.uint8)
        wanted = [GONE if status == "deleted" else STATUSES.index(status) for status in statuses]
        return np.flatnonzero(np.isin(codes, wanted)).astype(np.int64) + 1

    def row(self, ticket_id: int) -> Row:
        """Return the row of a ticket that exists or did."""
        live = self._live.get(ticket_id)
        return self._generated.row(ticket_id) if live is None else live.row

    def whole(self, ticket_id: int) -> tuple[Row, Sequence[Row]]:
        """Return row and comments, the oldest first."""
        live = self._live.get(ticket_id)
        return self._generated.whole(ticket_id) if live is None else (live.row, live.comments)

    def written(self, ticket_id: int) -> list[Row]:
        """Return the comments a generated ticket started with, as they were written."""
        return self._generated.whole(ticket_id)[1]

    def generated_timestamp(self, ticket_id: int) -> int:
        """Return the second of the ticket's last change, changes by the system included."""
        live = self._live.get(ticket_id)
        return int(self.shape.generated[ticket_id - 1]) if live is None else live.generated

    def materialise(self, ticket_id: int) -> LiveTicket:
        """Return the ticket as something that can be changed."""
        live = self._live.get(ticket_id)
        if live is None:
            row, comments = self._generated.whole(ticket_id)
            index = ticket_id - 1
            generated, before = self.generated_timestamp(ticket_id), STATUSES[self.shape.status[index]]
            live = LiveTicket(row, comments, generated, self.gone(ticket_id), before)
            live.merged_into = self.shape.merged_into(ticket_id)
            self._live[ticket_id] = live
        return live

    def add(self, row: Row, comments: list[Row]) -> LiveTicket:
        """Take in a new ticket, whose id is the next one."""
        live = LiveTicket(row, comments, 0, None, row["status"])
        self._codes.append(STATUSES.index(row["status"]))
        self._live[row["id"]] = live
        return live

    def touch(self, live: LiveTicket, generated: int) -> None:
        """Note that a ticket changed: it takes its new place in the export."""
        ticket_id = live.row["id"]
        live.generated = generated
        self.order.move(ticket_id, generated)
        self._codes[ticket_id - 1] = GONE if live.gone else STATUSES.index(live.row["status"])

    def deleted_at(self, ticket_id: int) -> tuple[str, int | None]:
        """Return when a ticket went, and who removed it (None when nobody knows)."""
        live = self._live.get(ticket_id)
        return self.row(ticket_id)["updated_at"], live.deleted_by if live else None

    def before(self, ticket_id: int) -> str:
        """Return the status a ticket had before it went."""
        live = self._live.get(ticket_id)
        return live.before if live else STATUSES[self.shape.status[ticket_id - 1]]

    def group_name(self, group_id: int | None) -> str:
        """Return a group's name, empty for none."""
        names = {self.people.group_id(index): name for index, name in enumerate(GROUPS)}
        return names.get(group_id or 0, "")

    def organization_name(self, organization_id: int | None) -> str:
        """Return an organisation's name, empty for none."""
        index = self.people.organization_index(organization_id or 0)
        return "" if index is None else self.people.organization_name(index)

    def user_name(self, user_id: int | None) -> str:
        """Return a person's name, empty for none."""
        index = self.people.user_index(user_id or 0)
        return "" if index is None else self.people.user_name(index)

    def knows(self, field: str, record_id: int) -> bool:
        """Say whether the record a field of a ticket names exists."""
        people = self.people
        if field == "organization_id":
            return people.organization_index(record_id) is not None
        if field == "group_id":
            return any(people.group_id(index) == record_id for index in range(len(GROUPS)))
        if field == "brand_id":
            return any(people.brand_id(index) == record_id for index in range(len(BRANDS)))
        return people.user_index(record_id) is not None
