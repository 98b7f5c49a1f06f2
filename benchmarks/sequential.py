"""The import as a plain sequential script: ``python -m benchmarks.sequential TICKETS``.

One ticket after the other: its comments, then one embedding call and one insert for each chunk.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import weaviate

from benchmarks.account_reader import CommentsPage, ExportPage, GroupsPage, OrganizationsPage, UsersPage
from benchmarks.script_result import ScriptResult
from schemas.ids import chunk_id, collection_name
from schemas.messages.tickets import TicketChange
from schemas.settings.load import Settings, load_settings
from schemas.zendesk import Comment, Ticket
from streams.embeddings.build import build_provider
from streams.sources.zendesk.auth import static_login_of
from streams.transforms.chunking import CHUNKER_VERSION, chunk_ticket
from streams.transforms.names import Names
from streams.transforms.whole_ticket import facts_of, is_removed, passages_of
from streams.weaviate.client import connect
from streams.weaviate.collection import ensure_collection


class Script:
    """One run over the first tickets of the account."""

    def __init__(self, settings: Settings) -> None:
        self._account = settings.account
        self._provider = build_provider(settings)
        self._http = httpx.Client(
            base_url=settings.zendesk_url,
            headers={"Authorization": static_login_of(settings).header},
            timeout=60,
            trust_env=False,
        )
        self._users: dict[int, str] = {}
        self._organizations: dict[int, str] = {}
        self._groups: dict[int, str] = {}
        self._zendesk_calls = 0
        self._embedding_calls = 0
        self._objects = 0

    def run(self, collection: Any, most: int) -> ScriptResult:
        """Import at most so many tickets and return the figures."""
        tickets = 0
        with self._http, asyncio.Runner() as runner:
            started = time.perf_counter()
            groups = self._get("/api/v2/groups.json?page[size]=100", GroupsPage).groups
            self._groups = {group.id: group.name for group in groups}
            where, ended = "start_time=0", False
            while not ended and tickets < most:
                path = f"/api/v2/incremental/tickets/cursor.json?{where}&per_page=1000"
                page = self._get(path, ExportPage)
                for ticket in page.tickets[: most - tickets]:
                    tickets += 1
                    if not is_removed(ticket):
                        self._import(ticket, collection, runner)
                where, ended = f"cursor={page.after_cursor}", page.end_of_stream
            seconds = time.perf_counter() - started
        return ScriptResult(
            tickets=tickets,
            objects=self._objects,
            seconds=seconds,
            zendesk_calls=self._zendesk_calls,
            embedding_calls=self._embedding_calls,
        )

    def _get(self, path: str, kind: Any) -> Any:
        self._zendesk_calls += 1
        answer = self._http.get(path)
        answer.raise_for_status()
        return msgspec.json.decode(answer.content, type=kind)

    def _import(self, ticket: Ticket, collection: Any, runner: asyncio.Runner) -> None:
        comments = self._comments(ticket.id)
        names = self._names(ticket)
        change = TicketChange(
            account=self._account,
            ticket_id=ticket.id,
            version=0,
            changed_at=0,
            source="import",
            ticket=ticket,
        )
        facts = msgspec.structs.asdict(facts_of(change, names))
        for chunk in chunk_ticket(ticket.subject or "", passages_of(comments, names)):
            self._embedding_calls += 1
            (vector,) = runner.run(self._provider.embed([chunk.text], "document"))
            collection.data.insert(
                uuid=chunk_id(self._account, ticket.id, chunk.visibility, chunk.chunk_index),
                properties={
                    **facts,
                    "ticket_id": ticket.id,
                    "chunk_index": chunk.chunk_index,
                    "text": chunk.text,
                    "content_hash": chunk.content_hash,
                    "visibility": chunk.visibility,
                },
                vector=vector.tolist(),
            )
            self._objects += 1

    def _comments(self, ticket_id: int) -> list[Comment]:
        comments: list[Comment] = []
        path = first = f"/api/v2/tickets/{ticket_id}/comments.json?page[size]=100&include=users"
        while path:
            page = self._get(path, CommentsPage)
            comments += page.comments
            self._users |= {user.id: user.name for user in page.users}
            path = f"{first}&page[after]={page.meta.after_cursor}" if page.meta.has_more else ""
        return comments

    def _names(self, ticket: Ticket) -> Names:
        people = {one for one in (ticket.requester_id, ticket.assignee_id) if one is not None}
        if missing := people - self._users.keys():
            path = f"/api/v2/users/show_many.json?ids={','.join(map(str, missing))}"
            self._users |= {user.id: user.name for user in self._get(path, UsersPage).users}
        organization = ticket.organization_id
        if organization is not None and organization not in self._organizations:
            path = f"/api/v2/organizations/show_many.json?ids={organization}"
            found = self._get(path, OrganizationsPage).organizations
            self._organizations |= {one.id: one.name for one in found}
        return Names(self._users, self._organizations, self._groups)


async def _make_collection(settings: Settings, name: str) -> None:
    async with await connect(settings) as connection:
        await ensure_collection(connection.client, name)


def main() -> None:
    """Run and print the figures."""
    settings = load_settings()
    model, dimensions = settings.embedding_model, settings.embedding_dimensions
    name = "Sequential_" + collection_name(model, dimensions, CHUNKER_VERSION)
    asyncio.run(_make_collection(settings, name))
    http, rpc = urlsplit(settings.weaviate_http_url), urlsplit(settings.weaviate_grpc_url)
    with weaviate.connect_to_local(
        host=http.hostname or "", port=http.port or 80, grpc_port=rpc.port or 50051, skip_init_checks=True
    ) as client:
        collection = client.collections.use(name).with_tenant(settings.account)
        result = Script(settings).run(collection, int(sys.argv[1]))
    print(msgspec.json.encode(result).decode())


if __name__ == "__main__":
    main()
