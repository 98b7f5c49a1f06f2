"""The endpoints that read: export, tickets, comments, people, views."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ticketstream.local.sample.zendesk import export, views
from ticketstream.local.sample.zendesk.account import Account
from ticketstream.local.sample.zendesk.clock import iso
from ticketstream.local.sample.zendesk.history import History
from ticketstream.local.sample.zendesk.merges import audits_of
from ticketstream.local.sample.zendesk.order import unkey
from ticketstream.local.sample.zendesk.paging import cursor_page, ids_of, offset_page, page_size, quoted, root
from ticketstream.local.sample.zendesk.people import USERS_START, Row
from ticketstream.local.sample.zendesk.responses import JSON, ApiError, answer, invalid_value, not_found
from ticketstream.local.sample.zendesk.shape import STATUSES, Ints

_COMMENT_ORDER: Final = "created_at,id"


class Reading:
    """Answers for the reading endpoints of an account; ``export_delay`` in seconds."""

    def __init__(self, account: Account, history: History, export_delay: float) -> None:
        self._account = account
        self._history = history
        self._delay = export_delay

    def routes(self) -> list[Route]:
        """Return the routes, the busiest first."""
        paths = (
            ("/tickets/{id:int}/comments", self.comments),
            ("/tickets/{id:int}/audits", self.audits),
            ("/incremental/tickets/cursor", self.export),
            ("/users/show_many", self.users),
            ("/organizations/show_many", self.organizations),
            ("/tickets/show_many", self.tickets),
            ("/tickets/count", self.count),
            ("/search/count", self.search_count),
            ("/tickets/{id:int}", self.ticket),
            ("/tickets", self.all_tickets),
            ("/deleted_tickets", self.deleted),
            ("/incremental/ticket_events", self.events),
            ("/incremental/users/cursor", self.changed_users),
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
        self._sideload(request, body, rows)
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

    async def events(self, request: Request) -> Response:
        """One page of the event export."""
        query, now = request.query_params, self._account.clock()
        start, _ = unkey(export.start_place(query.get("start_time"), now, self._delay))
        with_comments = "comment_events" in query.get("include", "")
        horizon = export.horizon(now, self._delay)
        events, end, last = self._history.page(start, horizon, with_comments)
        included = "&include=comment_events" if with_comments else ""
        return answer(
            {
                "ticket_events": events,
                "next_page": f"{root(request)}{request.scope['path']}?start_time={end}{included}",
                "count": len(events),
                "end_of_stream": last,
                "end_time": end,
            }
        )

    async def changed_users(self, request: Request) -> Response:
        """One page of the cursor export of users."""
        query, people, now = request.query_params, self._account.people, self._account.clock()
        text = query.get("per_page", str(export.MAX_PER_PAGE))
        if not text.isdecimal() or not 1 <= int(text) <= export.MAX_PER_PAGE:
            raise invalid_value(f"per_page must be between 1 and {export.MAX_PER_PAGE}")
        cursor = query.get("cursor")
        if cursor is None:
            start, _ = unkey(export.start_place(query.get("start_time"), now, self._delay))
            first = people.first_from(start)
        else:
            index = people.user_index(export.decode_pair(cursor)[1])
            first = people.users if index is None else index + 1
        last = min(people.users, first + int(text))
        rows = [people.user(people.user_id(index)) for index in range(first, last)]
        after = cursor or export.encode_pair(USERS_START, 0)
        if last > first or first == people.users:
            after = export.encode_pair(USERS_START + (last - 1) // 3, people.user_id(last - 1))
        url = f"{root(request)}{request.scope['path']}?cursor={quoted(after)}&per_page={text}"
        return answer(
            {
                "users": rows,
                "after_url": url,
                "before_url": None,
                "after_cursor": after,
                "before_cursor": cursor,
                "end_of_stream": last == people.users,
            }
        )

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
        if "comment_count" in wanted:
            for place, row in enumerate(rows):
                rows[place] = {**row, "comment_count": len(self._account.whole(row["id"])[1])}
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
