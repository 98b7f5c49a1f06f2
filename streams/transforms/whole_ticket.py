"""A change, its comments and the names become a whole ticket; arithmetic only, no calls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from schemas.merges import MERGE_TAG
from schemas.messages.tickets import EnrichedTicket, Origin, Passage, TicketChange, TicketFacts
from schemas.zendesk import Comment, Ticket
from streams.transforms.names import Names
from streams.transforms.text import plain_text, spoken_text

_CLOSED: Final = "closed"


def is_removed(ticket: Ticket) -> bool:
    """Say whether a ticket must not be found: deleted, maybe as spam.

    Zendesk deletes what is marked as spam, and the export shows deleted tickets with the status
    ``deleted``. Source: Zendesk's API reference, "Incremental Exports".
    """
    return ticket.status == "deleted"


def may_be_merged(ticket: Ticket, said_merged: bool = False) -> bool:
    """Say whether a ticket's audits are worth asking whether it was merged into another.

    A merge closes a ticket and tags it. So do people, and follow-ups inherit the tag: see schemas.merges.
    ``said_merged``: a webhook has told of a merge.
    """
    return ticket.status == _CLOSED and (said_merged or MERGE_TAG in ticket.tags)


def merged_by_comment(ticket: Ticket, comments: Iterable[Comment]) -> int:
    """Return the ticket that one was merged into as its comments' ``via`` says, 0 for none.

    A merge closes a ticket, and nobody can open it again: one that is not closed was not merged.
    """
    if ticket.status != _CLOSED:
        return 0
    targets = [one for one in comments if one.merged_into and one.merged_into != ticket.id]
    newest = max(targets, key=lambda one: (one.created_at, one.id), default=None)
    return 0 if newest is None else newest.merged_into or 0


def people_of(ticket: Ticket, comments: Iterable[Comment]) -> set[int]:
    """Return the ids of everybody whose name a ticket shows."""
    ids = {comment.author_id for comment in comments}
    ids |= {ticket.requester_id, ticket.assignee_id}
    return {one for one in ids if one is not None}


def description_as_comment(ticket: Ticket) -> list[Comment]:
    """Return the description as the ticket's first comment, for when its comments cannot be had.

    In Zendesk the description is the first comment, and public if the ticket is. Source: Zendesk's
    API reference, "Tickets".
    """
    if not ticket.description:
        return []
    return [
        Comment(
            id=0,
            public=ticket.is_public,
            created_at=ticket.created_at,
            author_id=ticket.submitter_id if ticket.requester_id is None else ticket.requester_id,
            body=ticket.description,
        )
    ]


def facts_of(change: TicketChange, names: Names, merged_into: int = 0) -> TicketFacts:
    """Return what every chunk of a ticket carries."""
    ticket = change.ticket
    return TicketFacts(
        subject=ticket.subject or "",
        status=ticket.status,
        priority=ticket.priority or "",
        tags=ticket.tags,
        requester=names.user(ticket.requester_id),
        assignee=names.user(ticket.assignee_id),
        organization=names.organization(ticket.organization_id) or change.organization,
        group=names.group(ticket.group_id) or change.group,
        created_at=ticket.created_at,
        updated_at=ticket.updated_at,
        merged_into=merged_into,
    )


def passages_of(comments: Iterable[Comment], names: Names) -> list[Passage]:
    """Return the comments as plain text, the oldest first; one without text and attachments is left out."""
    passages = []
    for comment in sorted(comments, key=lambda one: (one.created_at, one.id)):
        text = plain_text(comment.plain_body, comment.html_body, comment.body)
        text = spoken_text(text, comment.transcription)
        attachments = [one.file_name for one in comment.attachments if one.file_name]
        if text or attachments:
            passages.append(
                Passage(
                    comment_id=comment.id,
                    visibility="public" if comment.public else "internal",
                    author=names.user(comment.author_id),
                    created_at=comment.created_at,
                    text=text,
                    attachments=attachments,
                )
            )
    return passages


def enriched_ticket(
    change: TicketChange,
    comments: Sequence[Comment],
    names: Names,
    *,
    origin: Origin,
    now: float,
    removed: bool = False,
    merged_into: int = 0,
    calls: int = 0,
) -> EnrichedTicket:
    """Return the whole ticket; one that is removed, or known to be gone (``removed``), has no passages.

    ``now`` is Unix seconds; ``merged_into`` the ticket it was merged into (0: none); ``calls`` the calls to
    Zendesk this took.
    """
    gone = removed or is_removed(change.ticket)
    return EnrichedTicket(
        account=change.account,
        ticket_id=change.ticket_id,
        version=change.version,
        changed_at=change.changed_at,
        enriched_at=now,
        source=change.source,
        origin=origin,
        facts=facts_of(change, names, 0 if gone else merged_into),
        passages=[] if gone else passages_of(comments, names),
        removed=gone,
        import_id=change.import_id,
        zendesk_calls=calls,
    )
