"""What a row of JSON is, by Zendesk's published schemas: a ticket, or something else with id and times.

Sources: Zendesk's API reference (Tickets, Users, Organizations, Groups, Brands, Ticket Comments, Ticket
Audits, Ticket Metrics, Views, Macros, Triggers, Help Center articles and posts, Webhooks, Search).
"""

from __future__ import annotations

import json
import re
from typing import Final

import msgspec

from schemas.outside import UNREADABLE

_URL: Final = re.compile(r"/api/v2/(?:[^?#]*/)?([a-z_]+)/[^/?#]+$")
_NAME: Final = re.compile(r"[a-z_]{1,40}")
_STATUSES: Final = frozenset(("new", "open", "pending", "hold", "solved", "closed", "deleted"))
_OF_TICKETS: Final = (
    *("subject", "raw_subject", "requester_id", "requester", "submitter_id", "submitter", "assignee_id"),
    *("ticket_form_id", "custom_status_id", "followup_ids", "satisfaction_rating"),
)
"""Fields of tickets that tell them from whatever else has an id and times."""
_NAMING: Final = ("name", "title", "state", "summary", "body")
"""Fields that no ticket has, and much else that may have a ticket's status: a task, a bug, a post."""
_OF_OTHERS: Final = {
    "role": "users",
    "user_fields": "users",
    "last_login_at": "users",
    "domain_names": "organizations",
    "organization_fields": "organizations",
    "child_events": "ticket events",
    "events": "ticket audits",
    "audit_id": "comments",
    "plain_body": "comments",
    "html_body": "comments",
    "brand_url": "brands",
    "section_id": "help centre articles",
    "conditions": "views or triggers",
    "actions": "macros or triggers",
    "previous_state": "deleted tickets",
    "http_method": "webhooks",
    "user_id": "memberships",
    "view_id": "views",
    "ticket_id": "records about tickets",
    "author_id": "comments or articles",
    "email": "users",
}
"""Fields that no ticket has, and what has them; the first that is found names the row."""
_PAGES: Final = (
    *("users", "organizations", "groups", "brands", "audits", "ticket_events", "ticket_metrics", "articles"),
    *("views", "macros", "triggers", "webhooks", "ticket_fields", "satisfaction_ratings", "deleted_tickets"),
    *("comments", "suspended_tickets", "requests", "activities", "categories", "sections", "topics", "posts"),
)
_WORDS: Final = {"user": "users", "organization": "organizations", "group": "groups", "brand": "brands"}

_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def other_than_ticket(row: bytes) -> str | None:
    """Return what a row is, in the plural, where it is no ticket; None for a ticket.

    A row that Zendesk itself calls a ticket by its ``url`` is one, and one that it calls something else is
    not. Otherwise a ticket has one of its own fields, or none that only others have and its comments or one
    of the seven statuses; its status is a word. Raises what msgspec raises for what is no JSON object.
    """
    fields = _fields(row)
    if found := _URL.search(_text(fields, "url")):
        return None if found[1] == "tickets" else found[1].replace("_", " ")
    if (kind := _text(fields, "result_type")) and _NAME.fullmatch(kind):
        return None if kind == "ticket" else f"{kind}s"
    if "id" not in fields and fields.keys().isdisjoint(("subject", "status", "requester_id")):
        for name in (*_PAGES, *_WORDS):
            if name in fields:
                return _WORDS.get(name, name.replace("_", " "))
    for name, words in _OF_OTHERS.items():
        if name in fields:
            return words
    if "url" not in fields and bytes(fields.get("status", b"null"))[:1].isdigit():
        return "records of another program"  # other help desks have numbers there
    if not fields.keys().isdisjoint(_OF_TICKETS):
        return None
    # Others count their comments, or have a status of these names too.
    has_comments = bytes(fields.get("comments", b"null"))[:1] == b"["
    if fields.keys().isdisjoint(_NAMING) and (has_comments or _text(fields, "status") in _STATUSES):
        return None
    return "groups, brands or the like" if "name" in fields else "other records"


def _fields(row: bytes) -> dict[str, msgspec.Raw]:
    """Return a row's fields; a value that no text can be (half a surrogate pair) hides none of the others."""
    try:
        return _FIELDS.decode(row)
    except UNREADABLE as error:
        try:
            found = json.loads(row)
        except (ValueError, RecursionError):
            raise error from None
        if not isinstance(found, dict):
            raise
        return {name: msgspec.Raw(json.dumps(value).encode()) for name, value in found.items()}


def _text(fields: dict[str, msgspec.Raw], name: str) -> str:
    """Return a field's text; "" where it has none."""
    try:
        found = msgspec.json.decode(fields.get(name, b"null"))
    except UNREADABLE:
        return ""
    return found if isinstance(found, str) else ""
