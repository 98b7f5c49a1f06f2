"""The endpoints that read: export, tickets, comments, people, views."""

from __future__ import annotations

from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ticketstream.sample.zendesk import export
from ticketstream.sample.zendesk.account import Account
from ticketstream.sample.zendesk.answers import JSON, ApiError, answer, invalid_value, not_found
from ticketstream.sample.zendesk.clock import iso
from ticketstream.sample.zendesk.paging import cursor_page, ids_of, offset_page, page_size, root
from ticketstream.sample.zendesk.people import Row

_COMMENT_ORDER: Final = "created_at,id"


class Reading:
    """Answers for the reading endpoints of an account; ``export_delay`` in seconds."""

    def __init__(self, account: Account, export_delay: float) -> None:
        self._account = account
        self._delay = export_delay

    def routes(self) -> list[Route]:
        """Return the routes, the busiest first."""
        paths = (
            ("/tickets/{id:int}/comments", self.comments),
            ("/incremental/tickets/cursor", self.export),
            ("/users/show_many", self.users),
            ("/organizations/show_many", self.organizations),
            ("/tickets/show_many", self.tickets),
            ("/tickets/count", self.count),
            ("/tickets/{id:int}", self.ticket),
            ("/users/me", self.me),
            ("/groups", self.groups),
            ("/brands", self.brands),
        )
        return [
            Route(f"/api/v2{path}{suffix}", handler, methods=["GET"])
            for path, handler in paths
            for suffix in (".json", "")
        ]

    async def export(self, request: Request) -> Response:
        """One page of the cursor export."""
        query = request.query_params
        text = query.get("per_page", str(export.MAX_PER_PAGE))
        if not text.isdecimal() or not 1 <= int(text) <= export.MAX_PER_PAGE:
            raise invalid_value(f"per_page must be between 1 and {export.MAX_PER_PAGE}")
        cursor = query.get("cursor")
        if cursor is None:
            place = export.start_place(query.get("start_time"), self._account.clock(), self._delay)
        else:
            place = export.decode(cursor)
        body = export.page(self._account, place, int(text), self._delay, root(request), cursor is not None)
        self._sideload(request, body, body["tickets"])
        return answer(body)

    async def comments(self, request: Request) -> Response:
        """The comments of a ticket, the oldest first unless asked otherwise."""
        account = self._account
        ticket_id = request.path_params["id"]
        if not account.exists(ticket_id) or account.gone(ticket_id):
            raise not_found()
        comments = account.comments(ticket_id)
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
            authors = {comment["author_id"] for comment in shown}
            body["users"] = [user for author in authors if (user := account.people.user(author))]
        body.update(page.extra)
        return Response(orjson.dumps(body), media_type=JSON)

    async def ticket(self, request: Request) -> Response:
        """One ticket."""
        ticket_id = request.path_params["id"]
        if not self._account.exists(ticket_id) or self._account.gone(ticket_id):
            raise not_found()
        row = self._account.row(ticket_id)
        body: dict[str, Any] = {"ticket": row}
        self._sideload(request, body, [row])
        return answer(body)

    async def tickets(self, request: Request) -> Response:
        """Up to 100 tickets by id; ids that are not there are left out."""
        account = self._account
        rows = [
            account.row(i) for i in sorted(set(ids_of(request))) if account.exists(i) and not account.gone(i)
        ]
        body: dict[str, Any] = {"tickets": rows}
        self._sideload(request, body, rows)
        return answer(body | {"next_page": None, "previous_page": None, "count": len(rows)})

    async def count(self, _: Request) -> Response:
        """How many tickets there are."""
        value = self._account.present()
        return answer({"count": {"value": value, "refreshed_at": iso(self._account.clock())}})

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
        user = self._account.people.user(self._account.people.user_id(0)) or {}
        if request.scope.get("sample.anonymous"):
            user |= {"id": None, "name": "Anonymous user", "email": "invalid@example.com", "role": "end-user"}
        return answer({"user": user | {"authenticity_token": None}})

    async def groups(self, request: Request) -> Response:
        """All groups."""
        return self._listed(request, "groups", self._account.people.groups())

    async def brands(self, request: Request) -> Response:
        """All brands."""
        return self._listed(request, "brands", self._account.people.brands())

    def _listed(self, request: Request, name: str, rows: list[Row]) -> Response:
        size = page_size(request)
        if size is None:
            page = offset_page(request, len(rows))
        else:
            page = cursor_page(request, size, range(len(rows)), "id")
        return answer({name: rows[page.start : page.stop], **page.extra})

    def _sideload(self, request: Request, body: dict[str, Any], rows: list[Row]) -> None:
        """Add what ``include=users,organizations,groups`` asks for."""
        wanted = request.query_params.get("include", "").split(",")
        people = self._account.people
        if "users" in wanted:
            ids = {row[name] for row in rows for name in ("requester_id", "submitter_id", "assignee_id")}
            body["users"] = [user for i in sorted(ids - {None}) if (user := people.user(i))]
        if "organizations" in wanted:
            ids = {row["organization_id"] for row in rows} - {None}
            body["organizations"] = [found for i in sorted(ids) if (found := people.organization(i))]
        if "groups" in wanted:
            ids = {row["group_id"] for row in rows}
            body["groups"] = [group for group in people.groups() if group["id"] in ids]


async def refuse(_: Request, error: Exception) -> Response:
    """Turn an ApiError into Zendesk's answer."""
    assert isinstance(error, ApiError)  # noqa: S101 - it is registered for ApiError only
    return answer(error.body, error.status)


async def unknown(_: Request, __: Exception) -> Response:
    """404 for a path Zendesk does not have."""
    return answer({"error": {"title": "No help desk found", "message": "There is no such endpoint"}}, 404)
