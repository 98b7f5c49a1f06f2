"""What an export page brings beside its tickets: names, and numbers of comments."""

from __future__ import annotations

from typing import Final, NamedTuple, Self, TypeVar

import msgspec

from schemas.messages import TicketChange
from schemas.zendesk import Named, RawExportPage, User
from streams.sources.zendesk.client import UNREADABLE
from streams.transforms.enrich import is_removed

WITH_NAMES: Final = "comment_count,users,groups,organizations"
"""For ``include``; no ticket needs a call of its own then. Source: Zendesk's guide "Side-loading"."""

T = TypeVar("T")

_USER: Final = msgspec.json.Decoder(User)
_NAMED: Final = msgspec.json.Decoder(Named)


class _Count(msgspec.Struct):
    comment_count: int | None = None


_COUNT: Final = msgspec.json.Decoder(_Count)


def comment_count_of(row: msgspec.Raw) -> int | None:
    """Return how many comments a row says its ticket has; None where it does not say."""
    try:
        return _COUNT.decode(row).comment_count
    except UNREADABLE:
        return None


class Sideloads(NamedTuple):
    """Names by id; what could not be read is left out, and looked up like any other."""

    users: dict[int, User]
    organizations: dict[int, str]
    groups: dict[int, str]

    @classmethod
    def of(cls, page: RawExportPage) -> Self:
        """Return what a page brings."""
        users = _read(page.users, _USER)
        return cls(
            {user.id: user for user in users},
            {one.id: one.name for one in _read(page.organizations, _NAMED)},
            {one.id: one.name for one in _read(page.groups, _NAMED)},
        )

    def add_to(self, change: TicketChange, comment_count: int | None) -> None:
        """Give a change the number of its comments, and the names it shows; a removed ticket shows none."""
        change.comment_count = comment_count
        ticket = change.ticket
        if is_removed(ticket):
            return
        wanted = dict.fromkeys((ticket.requester_id, ticket.submitter_id, ticket.assignee_id))
        change.users = [self.users[i] for i in wanted if i is not None and i in self.users]
        change.organization = self.organizations.get(ticket.organization_id or 0, "")
        change.group = self.groups.get(ticket.group_id or 0, "")


def _read(rows: list[msgspec.Raw], decoder: msgspec.json.Decoder[T]) -> list[T]:
    found = []
    for row in rows:
        try:
            found.append(decoder.decode(row))
        except UNREADABLE:
            continue
    return found
