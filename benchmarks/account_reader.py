"""What a plain script asks of Zendesk, and what it makes of it, with the project's own pure functions.

Without framework, settings or limits, so that scripts of other environments can use it too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

import msgspec

from benchmarks.http_clients import HttpClient
from schemas.ids import chunk_id
from schemas.messages.tickets import TicketChange
from schemas.zendesk import Comment, Named, Ticket, User
from streams.transforms.chunking import Chunk, chunk_ticket
from streams.transforms.names import Names
from streams.transforms.whole_ticket import facts_of, passages_of, people_of

_NAME_CALLS: Final = 4


class ExportPage(msgspec.Struct):
    """A page of the export, as far as a script needs it."""

    tickets: list[Ticket]
    after_cursor: str
    end_of_stream: bool


class CursorMeta(msgspec.Struct):
    """Where a list goes on."""

    has_more: bool
    after_cursor: str | None = None


class CommentsPage(msgspec.Struct):
    """A page of a ticket's comments, with their authors."""

    comments: list[Comment]
    meta: CursorMeta
    users: list[User] = []


class UsersPage(msgspec.Struct):
    """People by id."""

    users: list[User]


class OrganizationsPage(msgspec.Struct):
    """Organisations by id."""

    organizations: list[Named]


class GroupsPage(msgspec.Struct):
    """All groups, up to a hundred."""

    groups: list[Named]


class ReadyChunk(msgspec.Struct):
    """A chunk with what its object needs of the ticket."""

    change: TicketChange
    names: Names
    chunk: Chunk


class AccountReader:
    """Reads an account; names are looked up in batches and remembered. ``calls`` counts all calls."""

    def __init__(self, http: HttpClient, account: str) -> None:
        self.calls = 0
        self._http = http
        self._account = account
        self._users: dict[int, str] = {}
        self._organizations: dict[int, str] = {}
        self._groups: dict[int, str] = {}

    async def export(self) -> AsyncIterator[list[Ticket]]:
        """Yield the pages of the whole export; a ticket of an overlap comes once, in its newest state."""
        where, ended = "start_time=0", False
        seen: dict[int, int] = {}
        while not ended:
            path = f"/api/v2/incremental/tickets/cursor.json?{where}&per_page=1000"
            page = await self._get(path, ExportPage)
            new = [t for t in page.tickets if seen.get(t.id, -1) < (t.generated_timestamp or 0)]
            seen.update((t.id, t.generated_timestamp or 0) for t in new)
            yield list({t.id: t for t in new}.values())
            where, ended = f"cursor={page.after_cursor}", page.end_of_stream

    async def learn_groups(self) -> None:
        """Look up the names of all groups."""
        groups = (await self._get("/api/v2/groups.json?page[size]=100", GroupsPage)).groups
        self._groups = {group.id: group.name for group in groups}

    async def learn_names(self, tickets: Iterable[Ticket]) -> None:
        """Look up the people and organisations of these tickets that are not known, a hundred a call."""
        people = {one for t in tickets for one in (t.requester_id, t.assignee_id) if one is not None}
        organizations = {t.organization_id for t in tickets if t.organization_id is not None}
        slots = asyncio.Semaphore(_NAME_CALLS)

        async def look_up(what: str, ids: list[int]) -> None:
            async with slots:
                path = f"/api/v2/{what}/show_many.json?ids={','.join(map(str, ids))}"
                if what == "users":
                    users = (await self._get(path, UsersPage)).users
                    self._users |= dict.fromkeys(ids, "") | {user.id: user.name for user in users}
                else:
                    found = (await self._get(path, OrganizationsPage)).organizations
                    self._organizations |= dict.fromkeys(ids, "") | {one.id: one.name for one in found}

        calls = [look_up("users", ids) for ids in _hundreds(people - self._users.keys())]
        calls += [
            look_up("organizations", ids) for ids in _hundreds(organizations - self._organizations.keys())
        ]
        await asyncio.gather(*calls)

    async def chunks(self, ticket: Ticket) -> list[ReadyChunk]:
        """Read all comments of a ticket and return its chunks."""
        comments: list[Comment] = []
        path = first = f"/api/v2/tickets/{ticket.id}/comments.json?page[size]=100&include=users"
        while path:
            page = await self._get(path, CommentsPage)
            comments += page.comments
            self._users |= {user.id: user.name for user in page.users}
            path = f"{first}&page[after]={page.meta.after_cursor}" if page.meta.has_more else ""
        people = people_of(ticket, comments)
        names = Names({i: self._users.get(i, "") for i in people}, self._organizations, self._groups)
        change = TicketChange(
            account=self._account,
            ticket_id=ticket.id,
            version=0,
            changed_at=0,
            source="import",
            ticket=ticket,
        )
        found = chunk_ticket(ticket.subject or "", passages_of(comments, names))
        return [ReadyChunk(change, names, chunk) for chunk in found]

    async def _get(self, path: str, kind: Any) -> Any:
        self.calls += 1
        return msgspec.json.decode(await self._http.get(path), type=kind)


def object_of(one: ReadyChunk) -> tuple[str, dict[str, Any]]:
    """Return id and properties of a chunk's object, the same as the pipeline's."""
    chunk, change = one.chunk, one.change
    name = chunk_id(change.account, change.ticket_id, chunk.visibility, chunk.chunk_index)
    return str(name), {
        **msgspec.structs.asdict(facts_of(change, one.names)),
        "ticket_id": change.ticket_id,
        "chunk_index": chunk.chunk_index,
        "text": chunk.text,
        "content_hash": chunk.content_hash,
        "visibility": chunk.visibility,
    }


def _hundreds(ids: Iterable[int]) -> list[list[int]]:
    ordered = sorted(ids)
    return [ordered[start : start + 100] for start in range(0, len(ordered), 100)]
