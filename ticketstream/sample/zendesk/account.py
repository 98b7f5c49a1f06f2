"""The account as it is now: what was generated, and on top of it what changed since the start."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from ticketstream.sample.zendesk.order import ChangeOrder
from ticketstream.sample.zendesk.people import BRANDS, GROUPS, People, Row
from ticketstream.sample.zendesk.shape import END, STATUSES, Kind, Shape
from ticketstream.sample.zendesk.tickets import Generated

SCRUBBED: Final = "SCRUBBED"
"""What Zendesk leaves of the texts of a permanently deleted ticket."""


class LiveTicket:
    """A ticket that changed since the start. ``gone`` says why it is no longer there, if it is not."""

    __slots__ = ("comments", "deleted_at", "deleted_by", "generated", "gone", "row")

    def __init__(self, row: Row, comments: list[Row], generated: int, gone: str | None) -> None:
        self.row = row
        self.comments = comments
        self.generated = generated
        self.gone = gone
        self.deleted_at = row["updated_at"]
        self.deleted_by = 0


class Account:
    """Tickets by id, and their order of change; ``clock`` gives Unix seconds."""

    def __init__(self, name: str, tickets: int, seed: int, clock: Callable[[], float] = time.time) -> None:
        self.name = name
        self.seed = seed
        self.clock = clock
        self.shape = Shape(seed, tickets)
        self.people = People(name, tickets)
        self.generated = Generated(name, seed, self.people, self.shape)
        self.order = ChangeOrder(self.shape)
        self.live: dict[int, LiveTicket] = {}
        self.last_id = tickets

    def __len__(self) -> int:
        return self.last_id

    def exists(self, ticket_id: int) -> bool:
        """Say whether there ever was such a ticket."""
        return 0 < ticket_id <= self.last_id

    def gone(self, ticket_id: int) -> str | None:
        """Return ``deleted``, ``spam`` or ``purged`` for a ticket that is no longer there, else None."""
        live = self.live.get(ticket_id)
        if live is not None:
            return live.gone
        kind = self.shape.kind[ticket_id - 1]
        if kind == Kind.DELETED:
            return "deleted"
        return "spam" if kind == Kind.SPAM else None

    def row(self, ticket_id: int) -> Row:
        """Return the row of a ticket that exists or did; do not change it."""
        live = self.live.get(ticket_id)
        return self.generated.row(ticket_id) if live is None else live.row

    def whole(self, ticket_id: int) -> tuple[Row, list[Row]]:
        """Return row and comments, the oldest first; do not change them."""
        live = self.live.get(ticket_id)
        return self.generated.whole(ticket_id) if live is None else (live.row, live.comments)

    def comments(self, ticket_id: int) -> list[Row]:
        """Return the comments of a ticket, the oldest first; do not change them."""
        return self.whole(ticket_id)[1]

    def generated_timestamp(self, ticket_id: int) -> int:
        """Return the second of the ticket's last change, system changes included."""
        live = self.live.get(ticket_id)
        return int(self.shape.generated[ticket_id - 1]) if live is None else live.generated

    def export_row(self, ticket_id: int, generated: int) -> Row:
        """Return the row as the incremental export shows it."""
        return {**self.row(ticket_id), "generated_timestamp": generated}

    def materialise(self, ticket_id: int) -> LiveTicket:
        """Return the ticket as something that can be changed."""
        live = self.live.get(ticket_id)
        if live is None:
            row, comments = self.generated.whole(ticket_id)
            live = LiveTicket(row, comments, self.generated_timestamp(ticket_id), self.gone(ticket_id))
            self.live[ticket_id] = live
        return live

    def now(self) -> int:
        """Return the second a live change carries: never before the generated account's last change."""
        return max(int(self.clock()), END + 1)

    def status(self, ticket_id: int) -> str:
        """Return the ticket's status without making its row, ``deleted`` for one that is gone."""
        live = self.live.get(ticket_id)
        if live is not None:
            return str(live.row["status"])
        gone = self.gone(ticket_id)
        return "deleted" if gone else STATUSES[self.shape.status[ticket_id - 1]]

    def present_ids(self) -> Iterator[int]:
        """Yield the ids of all tickets that are there, ascending."""
        return (ticket_id for ticket_id in range(1, self.last_id + 1) if self.gone(ticket_id) is None)

    def present(self) -> int:
        """Return how many tickets are there."""
        kinds = self.shape.kind
        base = int(np.count_nonzero((kinds != Kind.DELETED) & (kinds != Kind.SPAM)))
        for ticket_id, live in self.live.items():
            was = ticket_id <= self.shape.tickets and not self.generated.removed(ticket_id)
            base += (live.gone is None) - was
        return base

    def removed(self, ticket_id: int) -> bool:
        """Say whether an index must not hold the ticket: deleted, spam, or merged into another one."""
        if self.gone(ticket_id) is not None:
            return True
        live = self.live.get(ticket_id)
        if live is None:
            return bool(self.shape.kind[ticket_id - 1] == Kind.MERGED)
        return live.row["status"] == "closed" and "closed_by_merge" in live.row["tags"]

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

    def knows_brand(self, brand_id: int) -> bool:
        """Say whether the account has the brand."""
        return any(self.people.brand_id(index) == brand_id for index in range(len(BRANDS)))
