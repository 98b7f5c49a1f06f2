"""The incremental exports: tickets and users by cursor, ticket events by time."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ticketstream.local.sample.zendesk import export
from ticketstream.local.sample.zendesk.account import Account
from ticketstream.local.sample.zendesk.history import History
from ticketstream.local.sample.zendesk.order import unkey
from ticketstream.local.sample.zendesk.paging import quoted, root
from ticketstream.local.sample.zendesk.people import USERS_START
from ticketstream.local.sample.zendesk.responses import answer, invalid_value
from ticketstream.local.sample.zendesk.sideload import sideload


class Exports:
    """Answers for what lies below ``/incremental/``; ``delay`` is how far an export lags, in seconds."""

    def __init__(self, account: Account, history: History, delay: float) -> None:
        self._account = account
        self._history = history
        self._delay = delay

    async def tickets(self, request: Request) -> Response:
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
        sideload(self._account, request, body, body["tickets"])
        return answer(body)

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

    async def users(self, request: Request) -> Response:
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
