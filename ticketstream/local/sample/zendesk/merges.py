"""Merged tickets and follow-ups, as their ``via`` and their audits show them.

Sources: Zendesk's "Via object reference"; its API reference, "Ticket Audits"; its help centre, "Merging
tickets".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ticketstream.local.sample.zendesk.tickets import audit_id, comment_id, merged_via

if TYPE_CHECKING:
    from ticketstream.local.sample.zendesk.account import Account
    from ticketstream.local.sample.zendesk.people import Row

_MERGE_NUMBER = 9_000


def took_in_via(ids: list[int]) -> Row:
    """Return the ``via`` that a merge leaves on its target: it names the tickets that were merged."""
    origin = {"ticket_id": None, "ticket_ids": ids}
    return {"channel": "web", "source": {"from": origin, "to": {}, "rel": "merge"}}


def follow_up_via(source: Row) -> Row:
    """Return the ``via`` of a follow-up: it names the closed ticket that it follows."""
    origin = {"ticket_id": source["id"], "subject": source["subject"], "channel": source["via"]["channel"]}
    return {"channel": "web", "source": {"from": origin, "to": {}, "rel": "follow_up"}}


def audits_of(account: Account, ticket_id: int) -> list[Row]:
    """Return an audit for each comment of a ticket, the oldest first, and one for its merge.

    A merge with a comment is the audit of that comment. Other changes of fields have none, unlike Zendesk.
    """
    row, comments = account.whole(ticket_id)
    audits = [
        _audit(ticket_id, comment["audit_id"], comment["created_at"], comment["author_id"], comment["via"])
        for comment in comments
    ]
    for audit, comment in zip(audits, comments, strict=True):
        kept = ("id", "type", "author_id", "body", "html_body", "plain_body", "public", "attachments")
        audit["events"].append({name: comment[name] for name in kept} | {"audit_id": audit["id"]})
    target = account.merged_into(ticket_id)
    if target is not None:
        if not comments or comments[-1]["via"]["source"]["rel"] != "merge":
            via = merged_via(account.row(target))
            number = audit_id(comment_id(ticket_id, _MERGE_NUMBER))
            audits.append(_audit(ticket_id, number, row["updated_at"], row["assignee_id"] or -1, via))
        audits[-1]["events"] += [
            {
                "id": audits[-1]["id"] + 100 + place,
                "type": "Change",
                "field_name": field,
                "value": row[field],
                "previous_value": before,
            }
            for place, (field, before) in enumerate((("status", "open"), ("tags", [])))
        ]
    return audits


def _audit(ticket_id: int, number: int, created: str, author: int, via: Row) -> dict[str, Any]:
    return {
        "id": number,
        "ticket_id": ticket_id,
        "created_at": created,
        "author_id": author,
        "metadata": {"system": {}, "custom": {}},
        "events": [],
        "via": via,
    }
