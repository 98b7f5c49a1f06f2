"""A change, its comments and the names become a whole ticket; arithmetic only, no calls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from schemas.messages import EnrichedTicket, Origin, Passage, TicketChange, TicketFacts
from schemas.zendesk import Comment, Ticket
from streams.transforms.names import Names
from streams.transforms.text import plain_text, spoken_text

MERGE_TAG: Final = "closed_by_merge"


def is_removed(ticket: Ticket) -> bool:
    """Say whether a ticket must not be found: deleted, spam, or merged into another.

    Zendesk deletes what is marked as spam, and the export shows deleted tickets with the status
    ``deleted``. A ticket merged into another is closed and tagged ``closed_by_merge``. Sources:
    Zendesk's API reference, "Incremental Exports"; Zendesk's help centre, "Merging tickets".
    """
    return ticket.status == "deleted" or (ticket.status == "closed" and MERGE_TAG in ticket.tags)


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


def facts_of(change: TicketChange, names: Names) -> TicketFacts:
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
    calls: int = 0,
) -> EnrichedTicket:
    """Return the whole ticket; one that is removed, or known to be gone (``removed``), has no passages.

    ``now`` is Unix seconds; ``calls`` the calls to Zendesk this took.
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
        facts=facts_of(change, names),
        passages=[] if gone else passages_of(comments, names),
        removed=gone,
        import_id=change.import_id,
        zendesk_calls=calls,
    )
