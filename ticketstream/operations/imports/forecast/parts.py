"""What embedding one ticket takes: cut with the pipeline's own chunker, counted with its own estimate."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from schemas.messages.tickets import EnrichedTicket
from streams.transforms.chunking import chunk_ticket


class Parts(NamedTuple):
    """A ticket's chunks, the texts among them that differ, and the tokens of these."""

    chunks: int = 0
    texts: int = 0
    tokens: int = 0


def parts_of(ticket: EnrichedTicket, count_tokens: Callable[[str], int]) -> Parts:
    """Return what embedding a ticket takes; nothing for one that is removed."""
    if ticket.removed:
        return Parts()
    chunks = chunk_ticket(ticket.facts.subject, ticket.passages)
    texts = {chunk.content_hash: chunk.text for chunk in chunks}
    return Parts(len(chunks), len(texts), sum(map(count_tokens, texts.values())))
