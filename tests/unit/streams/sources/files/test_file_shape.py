"""What makes a row a ticket."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import DecodeError
from streams.sources.files.shape import other_than_ticket
from streams.sources.zendesk.export_file import change_from_line

TIMES = {"created_at": "2024-01-01T00:00:00Z", "updated_at": "2024-01-02T00:00:00Z"}
TICKET: dict[str, Any] = {
    "url": "https://acme.zendesk.com/api/v2/tickets/802.json",
    "id": 802,
    "external_id": None,
    "via": {"channel": "web"},
    "type": "question",
    "subject": "Help",
    "raw_subject": "Help",
    "description": "Help",
    "priority": None,
    "status": "open",
    "requester_id": 7,
    "submitter_id": 7,
    "assignee_id": None,
    "organization_id": None,
    "group_id": 3,
    "tags": [],
    "custom_fields": [],
    "followup_ids": [],
    "ticket_form_id": 5,
    "brand_id": 6,
    **TIMES,
}
OTHERS: dict[str, dict[str, Any]] = {
    "users": {"name": "Pat Example", "email": "pat@example.org", "role": "end-user"},
    "organizations": {"name": "Acme", "domain_names": [], "group_id": None, "tags": []},
    "groups, brands or the like": {"name": "Support", "description": "", "is_public": True},
    "brands": {"name": "Acme", "brand_url": "https://acme.zendesk.com", "subdomain": "acme"},
    "comments": {"type": "Comment", "author_id": 7, "public": True, "body": "x", "html_body": "x"},
    "comments or articles": {"author_id": 7, "title": "How to", "body": "x", "status": "open"},
    "ticket audits": {"ticket_id": 802, "author_id": 7, "events": []},
    "ticket events": {"ticket_id": 802, "updater_id": 7, "child_events": []},
    "records about tickets": {"ticket_id": 802, "requester_id": 7, "assignee_id": 8, "score": "good"},
    "help centre articles": {"author_id": 7, "section_id": 5, "title": "How to", "locale": "en"},
    "views or triggers": {"title": "Open", "active": True, "conditions": {"all": []}},
    "macros or triggers": {"title": "Close", "actions": [], "description": None},
    "deleted tickets": {"subject": "Gone", "description": "x", "previous_state": "open"},
    "webhooks": {"name": "x", "status": "active", "http_method": "POST"},
    "memberships": {"user_id": 7, "organization_id": 5, "default": True},
    "other records": {"status": "planned", "title": "An idea"},
    "records of another program": {"subject": "Help", "status": 2, "requester_id": 7},
}


ALMOST: dict[str, dict[str, Any]] = {
    "a bug, whose comments are counted": {"title": "x", "state": "open", "comments": 5, "user": {"id": 7}},
    "a bug with its comments": {"title": "x", "state": "open", "comments": [], "body": "x"},
    "a task": {"name": "Mend the roof", "status": "open", "description": "x"},
    "a post": {"title": "An idea", "status": "closed", "comments": 2},
    "a count": {"comments": 5, "group_id": 3},
}
"""What has as much of a ticket as records of other programs do."""


def row(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields).encode()


@pytest.mark.parametrize("what", OTHERS)
def test_a_row_of_another_kind_never_becomes_a_ticket(what: str) -> None:
    raw = row({"id": 802, **TIMES, **OTHERS[what]})
    assert other_than_ticket(raw) == what
    with pytest.raises(DecodeError, match=f"not a ticket of Zendesk, but one of the {what}"):
        change_from_line(raw, account="acme")


@pytest.mark.parametrize("what", ALMOST)
def test_a_status_or_a_count_of_comments_makes_no_ticket_of_something_else(what: str) -> None:
    assert other_than_ticket(row({"id": 802, **TIMES, **ALMOST[what]})) is not None


def test_little_is_enough_where_nothing_speaks_against_it() -> None:
    for fields in ({"status": "open"}, {"comments": []}, {"status": None, "subject": None}):
        assert other_than_ticket(row({"id": 802, **TIMES, **fields})) is None


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("https://acme.zendesk.com/api/v2/users/802.json", "users"),
        ("https://acme.zendesk.com/api/v2/requests/802.json", "requests"),
        ("https://acme.zendesk.com/api/v2/suspended_tickets/802.json", "suspended tickets"),
        ("https://acme.zendesk.com/api/v2/tickets/802/comments/5.json", "comments"),
        ("https://acme.zendesk.com/api/v2/help_center/en-us/articles/802.json", "articles"),
        ("https://acme.zendesk.com/api/v2/tickets/802.json", None),
        ("https://acme.zendesk.com/api/v2/tickets/802", None),
        ("https://acme.zendesk.com/agent/tickets/802", None),
        ("", None),
        (None, None),
        (7, None),
    ],
)
def test_what_zendesk_calls_a_row_itself_decides(url: Any, what: str | None) -> None:
    assert other_than_ticket(row(TICKET | {"url": url})) == what


@pytest.mark.parametrize("kind", ["user", "article", "ticket"])
def test_a_search_names_the_kind_of_each_result(kind: str) -> None:
    found = other_than_ticket(row({"id": 802, **TIMES, "subject": "x", "result_type": kind}))
    assert found == (None if kind == "ticket" else f"{kind}s")


@given(
    names=st.sets(st.sampled_from(sorted(TICKET.keys() - {"id", "subject", "requester_id"}))),
    value=st.sampled_from([None, 5, "", "x", [], {}, True]),
    missing=st.booleans(),
)
def test_a_ticket_with_strange_or_missing_fields_is_one_still(
    names: set[str], value: Any, missing: bool
) -> None:
    fields = {name: value if name in names else real for name, real in TICKET.items()}
    if missing:
        fields = {name: real for name, real in fields.items() if name not in names}
    assert other_than_ticket(row(fields)) is None


def test_a_ticket_of_the_future_is_refused_as_all_that_comes_would_be_old_beside_it() -> None:
    for fields in ({"updated_at": "2098-01-01T00:00:00Z"}, {"generated_timestamp": 4_000_000_000}):
        with pytest.raises(DecodeError, match="of the future"):
            change_from_line(row(TICKET | fields), account="acme")


def test_no_comments_at_all_means_that_they_were_left_out() -> None:
    assert change_from_line(row(TICKET | {"comments": []}), account="acme").comments is None
