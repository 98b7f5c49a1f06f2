"""What is sent along with tickets: ``include=users,organizations,groups,comment_count``."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from ticketstream.local.sample.zendesk.account import Account
from ticketstream.local.sample.zendesk.people import Row


def sideload(account: Account, request: Request, body: dict[str, Any], rows: list[Row]) -> None:
    """Add what ``include=users,organizations,groups`` asks for."""
    wanted = request.query_params.get("include", "").split(",")
    people = account.people
    if "users" in wanted:
        ids = {row[name] for row in rows for name in ("requester_id", "submitter_id", "assignee_id")}
        body["users"] = [user for i in sorted(ids - {None}) if (user := people.user(i))]
    if "organizations" in wanted:
        ids = {row["organization_id"] for row in rows} - {None}
        body["organizations"] = [found for i in sorted(ids) if (found := people.organization(i))]
    if "comment_count" in wanted:
        for place, row in enumerate(rows):
            rows[place] = {**row, "comment_count": len(account.whole(row["id"])[1])}
    if "groups" in wanted:
        ids = {row["group_id"] for row in rows}
        body["groups"] = [group for group in people.groups() if group["id"] in ids]
