"""Forecasts an import of an export file: all of it is read, and nothing else is touched."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from schemas.messages.tickets import Origin, TicketChange
from streams.embeddings.provider import EmbeddingProvider
from streams.sources.zendesk.export_file import BadLine, read_export_file
from streams.transforms.names import Names
from streams.transforms.whole_ticket import description_as_comment, enriched_ticket, is_removed, people_of
from ticketstream.operations.imports.forecast.figures import Measured
from ticketstream.operations.imports.forecast.parts import Parts, parts_of

_SOMEBODY = "Somebody Unknown"
"""Stands for a name that the workers will ask Zendesk for: about as long as names are."""
_IDS_A_CALL = 100


def measure_file(
    path: Path,
    provider: EmbeddingProvider,
    *,
    connected: bool,
    left_out: Callable[[str], object] = lambda _: None,
) -> Measured:
    """Return what a file holds; ``connected``: workers can ask Zendesk for what the file leaves out.

    Exact, except that a ticket without comments in the file counts with its description, where the
    workers would fetch its comments. ``left_out`` is told of files of an archive without tickets. Raises
    UserError as reading the file does.
    """
    seen: set[tuple[int, int]] = set()
    unknown: set[int] = set()
    organizations: set[int] = set()
    tickets = removed = unreadable = comment_calls = guessed = 0
    chunks = texts = tokens = 0
    groups = False
    for item in read_export_file(path, account="forecast", left_out=left_out):
        if isinstance(item, BadLine):
            unreadable += 1
            continue
        tickets += 1
        change = item.change
        place = (change.ticket_id, change.version)
        if place in seen:
            continue  # the workers skip it as a duplicate
        seen.add(place)
        if is_removed(change.ticket):
            removed += 1
            continue
        parts, missing = _parts(change, provider, connected)
        chunks, texts, tokens = chunks + parts.chunks, texts + parts.texts, tokens + parts.tokens
        if connected:
            if change.comments is None:
                comment_calls += 1
                guessed += 1
            unknown |= missing
            if not change.organization and change.ticket.organization_id is not None:
                organizations.add(change.ticket.organization_id)
            groups = groups or (not change.group and change.ticket.group_id is not None)
    people = math.ceil(len(unknown) / _IDS_A_CALL) + math.ceil(len(organizations) / _IDS_A_CALL) + groups
    return Measured(
        tickets=tickets,
        removed=removed,
        unreadable=unreadable,
        chunks=chunks,
        texts=texts,
        tokens=tokens,
        exact=not guessed,
        sample=tickets,
        comment_calls=comment_calls,
        people_calls=people,
    )


def _parts(change: TicketChange, provider: EmbeddingProvider, connected: bool) -> tuple[Parts, set[int]]:
    """Return what a ticket takes, and the people whose names the file does not tell."""
    comments = change.comments
    if comments is None:
        comments = description_as_comment(change.ticket)
    told = {user.id: user.name for user in change.users or () if user.name}
    missing = people_of(change.ticket, comments) - told.keys()
    names = Names(users=told | dict.fromkeys(missing, _SOMEBODY if connected else ""))
    ticket = enriched_ticket(change, comments, names, origin=Origin("", 0, 0), now=0.0)
    return parts_of(ticket, provider.count_tokens), missing
