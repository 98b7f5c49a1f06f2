"""The endpoints that read: export, tickets, comments, people, views."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ticketstream.local.sample.zendesk import views
from ticketstream.local.sample.zendesk.account import Account
from ticketstream.local.sample.zendesk.clock import iso
from ticketstream.local.sample.zendesk.exports import Exports
from ticketstream.local.sample.zendesk.history import History
from ticketstream.local.sample.zendesk.merges import audits_of
from ticketstream.local.sample.zendesk.paging import cursor_page, ids_of, offset_page, page_size
from ticketstream.local.sample.zendesk.people import Row
from ticketstream.local.sample.zendesk.responses import JSON, answer, not_found
from ticketstream.local.sample.zendesk.shape import STATUSES, Ints
from ticketstream.local.sample.zendesk.sideload import sideload

_COMMENT_ORDER: Final = "created_at,id"


class Reading:
    """Answers for the reading endpoints of an account; ``export_delay`` in seconds."""

    def __init__(self, account: Account, history: History, export_delay: float) -> None:
        self._account = account
        self._exports = Exports(account, history, export_delay)

    def routes(self) -> list[Route]:
        """Return the routes, the busiest first."""
        paths = (
            ("/tickets/{id:int}/comments", self.comments),
            ("/tickets/{id:int}/audits", self.audits),
            ("/incremental/tickets/cursor", self._exports.tickets),
            ("/users/show_many", self.users),
            ("/organizations/show_many", self.organizations),
            ("/tickets/show_many", self.tickets),
            ("/tickets/count", self.count),
            ("/search/count", self.search_count),
            ("/tickets/{id:int}", self.ticket),
            ("/tickets", self.all_tickets),
            ("/deleted_tickets", self.deleted),
            ("/incremental/ticket_events", self._exports.events),
            ("/incremental/users/cursor", self._exports.users),
            ("/views/{id:int}/tickets", self.view_tickets),
            ("/views/{id:int}/count", self.view_count),
            ("/views", self.all_views),
            ("/users/me", self.me),
            ("/groups", self.groups),
            ("/brands", self.brands),
        )
        return [
            Route(f"/api/v2{path}{suffix}", handler, methods=["GET"])
            for path, handler in paths
            for suffix in (".json", "")
        ]

    async def comments(self, request: Request) -> Response:
        """The comments of a ticket, the oldest first unless asked otherwise."""
        account = self._account
        ticket_id = request.path_params["id"]
        if not account.present(ticket_id):
            raise not_found()
        comments = account.whole(ticket_id)[1]
        query = request.query_params
        if query.get("sort_order") == "desc" or query.get("sort") == "-created_at":
            comments = comments[::-1]
        size = page_size(request)
        if size is None:
            page = offset_page(request, len(comments))
        else:
            keys = range(len(comments))
            page = cursor_page(request, size, keys, _COMMENT_ORDER)
        shown = comments[page.start : page.stop]
        body: dict[str, Any] = {"comments": shown}
        if "users" in query.get("include", ""):
            authors = dict.fromkeys([comment["author_id"] for comment in shown])
            body["users"] = [user for author in authors if (user := account.people.user(author))]
        body.update(page.extra)
        return Response(orjson.dumps(body), media_type=JSON)

    async def audits(self, request: Request) -> Response:
        """The audits of a ticket, the oldest first."""
        ticket_id = request.path_params["id"]
        if not self._account.present(ticket_id):
            raise not_found()
        return self._listed(request, "audits", audits_of(self._account, ticket_id))

    async def ticket(self, request: Request) -> Response:
        """One ticket."""
        ticket_id = request.path_params["id"]
        if not self._account.present(ticket_id):
            raise not_found()
        row = self._account.row(ticket_id)
        body: dict[str, Any] = {"ticket": row}
        sideload(self._account, request, body, [row])
        return answer(body)

    async def tickets(self, request: Request) -> Response:
        """Up to 100 tickets by id; ids that are not there are left out."""
        account = self._account
        rows = [
            account.row(i) for i in sorted(set(ids_of(request))) if account.exists(i) and not account.gone(i)
        ]
        body: dict[str, Any] = {"tickets": rows}
        sideload(self._account, request, body, rows)
        return answer(body | {"next_page": None, "previous_page": None, "count": len(rows)})

    async def count(self, _: Request) -> Response:
        """How many tickets there are."""
        value = self._account.ids(*STATUSES).size
        return answer({"count": {"value": value, "refreshed_at": iso(self._account.clock())}})

    async def search_count(self, request: Request) -> Response:
        """How many tickets a search finds: all of them, or those changed since ``updated>=``."""
        account, query = self._account, request.query_params.get("query", "").split()
        since = next((term.removeprefix("updated>=") for term in query if term.startswith("updated>=")), None)
        ids = account.ids(*STATUSES).tolist()
        if since is not None:
            start = datetime.fromisoformat(since).timestamp()
            ids = [i for i in ids if account.generated_timestamp(i) >= start]
        return answer({"count": len(ids)})

    async def users(self, request: Request) -> Response:
        """Up to 100 users by id."""
        return self._many(request, "users", self._account.people.user)

    async def organizations(self, request: Request) -> Response:
        """Up to 100 organisations by id."""
        return self._many(request, "organizations", self._account.people.organization)

    def _many(self, request: Request, name: str, find: Any) -> Response:
        rows = [row for record in sorted(set(ids_of(request))) if (row := find(record)) is not None]
        return answer({name: rows, "next_page": None, "previous_page": None, "count": len(rows)})

    async def me(self, request: Request) -> Response:
        """The user of the login; without one, Zendesk answers with an anonymous user."""
        user = dict(self._account.people.user(self._account.people.user_id(0)) or {})
        if request.scope.get("sample.anonymous"):
            user |= {"id": None, "name": "Anonymous user", "email": "invalid@example.com", "role": "end-user"}
        return answer({"user": user | {"authenticity_token": None}})

    async def groups(self, request: Request) -> Response:
        """All groups."""
        return self._listed(request, "groups", self._account.people.groups())

    async def brands(self, request: Request) -> Response:
        """All brands."""
        return self._listed(request, "brands", self._account.people.brands())

    async def all_tickets(self, request: Request) -> Response:
        """All tickets by id."""
        return self._page_of_tickets(request, self._account.ids(*STATUSES), "nice_id")

    async def all_views(self, request: Request) -> Response:
        """All views."""
        rows = [views.row(self._account.name, view, place) for place, view in enumerate(views.VIEWS)]
        return self._listed(request, "views", rows)

    async def view_tickets(self, request: Request) -> Response:
        """The tickets of a view, the newest first."""
        view = self._view(request)
        return self._page_of_tickets(request, self._account.ids(*view.statuses)[::-1], "nice_id desc")

    async def view_count(self, request: Request) -> Response:
        """How many tickets a view shows."""
        view = self._view(request)
        value = int(self._account.ids(*view.statuses).size)
        count = {"view_id": view.id, "value": value, "pretty": str(value), "fresh": True}
        return answer({"view_count": {"url": str(request.url), **count}})

    @staticmethod
    def _view(request: Request) -> views.View:
        view = views.find(request.path_params["id"])
        if view is None:
            raise not_found()
        return view

    def _page_of_tickets(self, request: Request, ids: Ints, order: str) -> Response:
        size = page_size(request)
        if size is None:
            page = offset_page(request, ids.size)
        else:
            page = cursor_page(request, size, range(ids.size), order)
        rows = [self._account.row(int(i)) for i in ids[page.start : page.stop]]
        body: dict[str, Any] = {"tickets": rows}
        sideload(self._account, request, body, rows)
        return answer(body | page.extra)

    async def deleted(self, request: Request) -> Response:
        """The tickets that can be restored; unlike Zendesk, however long ago they were deleted."""
        account = self._account
        ids = [i for i in account.ids("deleted").tolist() if account.gone(i) != "purged"]
        size = page_size(request)
        page = offset_page(request, len(ids)) if size is None else cursor_page(request, size, ids, "id")
        rows = []
        for ticket_id in ids[page.start : page.stop]:
            row = account.row(ticket_id)
            deleted_at, actor = account.deleted_at(ticket_id)
            rows.append(
                {
                    "id": ticket_id,
                    "subject": row["subject"],
                    "description": row["description"],
                    "actor": {"id": actor or -1, "name": account.user_name(actor) or "System"},
                    "deleted_at": deleted_at,
                    "previous_state": account.before(ticket_id),
                }
            )
        return answer({"deleted_tickets": rows, **page.extra})

    def _listed(self, request: Request, name: str, rows: list[Row]) -> Response:
        size = page_size(request)
        if size is None:
            page = offset_page(request, len(rows))
        else:
            page = cursor_page(request, size, range(len(rows)), "id")
        return answer({name: rows[page.start : page.stop], **page.extra})
