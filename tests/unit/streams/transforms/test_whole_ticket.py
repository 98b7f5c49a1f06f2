"""A change, comments and names become a whole ticket."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.messages.tickets import Origin, TicketChange
from schemas.zendesk import Attachment, Comment, Ticket
from streams.transforms.names import Names
from streams.transforms.whole_ticket import (
    description_as_comment,
    enriched_ticket,
    is_removed,
    passages_of,
    people_of,
)

ORIGIN = Origin("tickets.changes", 3, 17)
NAMES = Names(users={1: "Ann", 2: "Bob"}, organizations={5: "Acme"}, groups={6: "Support"})


def ticket(**fields: Any) -> Ticket:
    return Ticket(
        **{"id": 9, "created_at": "2024-01-01T00:00:00Z", "updated_at": "2024-01-02T00:00:00Z", **fields}
    )


def change(of: Ticket, **fields: Any) -> TicketChange:
    return TicketChange(
        account="acme",
        ticket_id=of.id,
        version=4,
        changed_at=3.5,
        source="live",
        ticket=of,
        **fields,
    )


def comment(
    number: int, when: str = "", *, public: bool = True, body: str | None = None, **more: Any
) -> Comment:
    return Comment(
        id=number,
        public=public,
        created_at=when,
        plain_body=body or f"text {number}",
        author_id=1,
        **more,
    )


def test_everything_of_a_ticket_is_in_it() -> None:
    of = ticket(
        subject="Printer",
        status="open",
        priority="high",
        tags=["a", "b"],
        requester_id=1,
        assignee_id=2,
        organization_id=5,
        group_id=6,
    )
    comments = [
        comment(1, "2024-01-01T00:00:00Z", attachments=[Attachment(id=1, file_name="log.txt")]),
        comment(2, "2024-01-01T01:00:00Z", public=False),
    ]
    made = enriched_ticket(change(of, import_id="i1"), comments, NAMES, origin=ORIGIN, now=99.5, calls=3)
    assert (made.account, made.ticket_id, made.version, made.changed_at) == ("acme", 9, 4, 3.5)
    assert (made.enriched_at, made.origin, made.import_id, made.zendesk_calls) == (99.5, ORIGIN, "i1", 3)
    facts = made.facts
    assert (facts.subject, facts.status, facts.priority, facts.tags) == (
        "Printer",
        "open",
        "high",
        ["a", "b"],
    )
    assert (facts.requester, facts.assignee, facts.organization, facts.group) == (
        "Ann",
        "Bob",
        "Acme",
        "Support",
    )
    assert (facts.created_at, facts.updated_at) == ("2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z")
    assert [
        (one.comment_id, one.visibility, one.author, one.text, one.attachments) for one in made.passages
    ] == [
        (1, "public", "Ann", "text 1", ["log.txt"]),
        (2, "internal", "Ann", "text 2", []),
    ]
    assert not made.removed


def test_what_is_missing_is_empty() -> None:
    made = enriched_ticket(change(ticket(requester_id=77)), [], Names(), origin=ORIGIN, now=1)
    facts = made.facts
    assert (facts.subject, facts.priority, facts.tags) == ("", "", [])
    assert (facts.requester, facts.assignee, facts.organization, facts.group) == ("", "", "", "")
    assert made.passages == [] and not made.removed


def test_names_a_file_brought_along_fill_the_gaps() -> None:
    made = enriched_ticket(
        change(ticket(group_id=6), organization="From file", group="Other"), [], NAMES, origin=ORIGIN, now=1
    )
    assert (made.facts.organization, made.facts.group) == ("From file", "Support")


def test_comments_are_in_the_order_they_were_written() -> None:
    shuffled = [comment(9, "2024-01-01"), comment(3, "2024-01-02"), comment(2, "2024-01-02")]
    assert [one.comment_id for one in passages_of(shuffled, NAMES)] == [9, 2, 3]


def test_a_comment_without_text_stays_only_for_its_attachments() -> None:
    empty = [
        Comment(id=1, public=True, body=" \n", html_body="<p></p>"),
        Comment(id=2, public=True, attachments=[Attachment(id=1, file_name="a.png"), Attachment(id=2)]),
    ]
    assert [(one.comment_id, one.text, one.attachments) for one in passages_of(empty, NAMES)] == [
        (2, "", ["a.png"])
    ]


def test_a_call_s_words_are_where_its_comment_is() -> None:
    spoken = [
        Comment(id=1, public=False, body="Call from +1", transcription="my printer burns"),
        Comment(id=2, public=True, transcription="only spoken"),
    ]
    assert [(one.visibility, one.text) for one in passages_of(spoken, NAMES)] == [
        ("internal", "Call from +1\n\nmy printer burns"),
        ("public", "only spoken"),
    ]


@pytest.mark.parametrize(
    ("status", "tags", "removed"),
    [
        ("deleted", [], True),
        ("closed", ["closed_by_merge", "vip"], False),
        ("closed", [], False),
        ("open", ["closed_by_merge"], False),
        ("solved", ["vip"], False),
    ],
)
def test_only_deleted_tickets_are_removed(status: str, tags: list[str], removed: bool) -> None:
    of = ticket(status=status, tags=tags)
    assert is_removed(of) is removed
    made = enriched_ticket(change(of), [comment(1)], NAMES, origin=ORIGIN, now=1)
    assert made.removed is removed
    assert bool(made.passages) is not removed


def test_a_ticket_known_to_be_gone_is_removed_whatever_its_row_says() -> None:
    made = enriched_ticket(
        change(ticket(status="open")), [comment(1)], NAMES, origin=ORIGIN, now=1, removed=True
    )
    assert made.removed and made.passages == []


@pytest.mark.parametrize("public", [True, False])
def test_without_comments_the_description_is_the_first_one(public: bool) -> None:
    of = ticket(description="Help me", requester_id=1, is_public=public)
    (passage,) = passages_of(description_as_comment(of), NAMES)
    assert (passage.text, passage.author, passage.created_at) == ("Help me", "Ann", of.created_at)
    assert passage.visibility == ("public" if public else "internal")
    assert description_as_comment(ticket()) == []


def test_everybody_a_ticket_shows_is_looked_up() -> None:
    comments = [comment(1), Comment(id=2, public=True, author_id=8), Comment(id=3, public=True)]
    assert people_of(ticket(requester_id=2, submitter_id=4, assignee_id=None), comments) == {1, 2, 8}
