"""What an export page brings beside its tickets: names, and numbers of comments."""

from __future__ import annotations

from typing import Final, NamedTuple, Self

from schemas.messages.tickets import TicketChange
from schemas.zendesk import User
from schemas.zendesk_pages import RawExportPage
from schemas.zendesk_rows import named_of, users_of
from streams.transforms.whole_ticket import is_removed

WITH_NAMES: Final = "comment_count,users,groups,organizations"
"""For ``include``; no ticket needs a call of its own then. Source: Zendesk's guide "Side-loading"."""


class Sideloads(NamedTuple):
    """Names by id; what could not be read is left out, and looked up like any other."""

    users: dict[int, User]
    organizations: dict[int, str]
    groups: dict[int, str]

    @classmethod
    def of(cls, page: RawExportPage) -> Self:
        """Return what a page brings."""
        return cls(
            {user.id: user for user in users_of(page.users)},
            {one.id: one.name for one in named_of(page.organizations)},
            {one.id: one.name for one in named_of(page.groups)},
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
