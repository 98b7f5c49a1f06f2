"""The whole account as it is now: for comparing an index with it, and as an export file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson

from ticketstream.local.sample.zendesk.account import Account

_AT_ONCE = 20


def truth(account: Account, ticket_id: int) -> dict[str, Any]:
    """Return all there is to know about a ticket, the names of its people included."""
    row, comments = account.whole(ticket_id)
    people = {row["requester_id"], row["submitter_id"], row["assignee_id"]}
    people.update(comment["author_id"] for comment in comments)
    return {
        "id": ticket_id,
        "removed": account.removed(ticket_id),
        "gone": account.gone(ticket_id),
        "merged_into": account.merged_into(ticket_id),
        "generated_timestamp": account.generated_timestamp(ticket_id),
        "ticket": row,
        "comments": list(comments),
        "people": {str(user): account.user_name(user) for user in people if user is not None},
        "organization": account.organization_name(row["organization_id"]),
        "group": account.group_name(row["group_id"]),
    }


def exported(account: Account, ticket_id: int) -> dict[str, Any]:
    """Return a ticket as a line of Zendesk's NDJSON export holds it: whole, people and comments inside."""
    row, comments = account.whole(ticket_id)
    people = account.people
    group = next((group for group in people.groups() if group["id"] == row["group_id"]), None)
    organization = row["organization_id"]
    return {
        **row,
        "requester": people.user(row["requester_id"]),
        "submitter": people.user(row["submitter_id"]),
        "assignee": None if row["assignee_id"] is None else people.user(row["assignee_id"]),
        "organization": None if organization is None else people.organization(organization),
        "group": group,
        "collaborator": [],
        "comments": list(comments),
    }


async def truth_lines(account: Account) -> AsyncIterator[bytes]:
    """Yield a line of JSON for every ticket there ever was, a few at a time."""
    for start in range(1, len(account) + 1, _AT_ONCE):
        ids = range(start, min(start + _AT_ONCE, len(account) + 1))
        yield b"".join(orjson.dumps(truth(account, i), option=orjson.OPT_APPEND_NEWLINE) for i in ids)
        await asyncio.sleep(0)


async def export_lines(account: Account) -> AsyncIterator[bytes]:
    """Yield a line of JSON for every ticket that is there."""
    for start in range(1, len(account) + 1, _AT_ONCE):
        ids = [i for i in range(start, min(start + _AT_ONCE, len(account) + 1)) if account.present(i)]
        yield b"".join(orjson.dumps(exported(account, i), option=orjson.OPT_APPEND_NEWLINE) for i in ids)
        await asyncio.sleep(0)
