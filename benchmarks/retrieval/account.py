"""What is searched: the sample account cut into chunks, and a ticket for each text in many scripts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import numpy as np

from benchmarks.retrieval.scripts import WORDS
from schemas.messages.tickets import Passage, TicketFacts
from schemas.vectors import Vector
from schemas.zendesk import Comment
from streams.embeddings.provider import EmbeddingProvider
from streams.sinks.base import ObjectWrite, SinkItem
from streams.transforms.chunking import chunk_ticket
from streams.transforms.names import Names
from streams.transforms.whole_ticket import passages_of
from ticketstream.local.sample.zendesk.account import Account
from ticketstream.local.sample.zendesk.truth import truth

SAMPLE: Final = "sample"
SCRIPTS: Final = "scripts"
_TEXTS_A_CALL: Final = 500


async def sample_items(tickets: int, provider: EmbeddingProvider) -> list[SinkItem]:
    """Return the tickets of the sample account with their vectors."""
    account = Account(SAMPLE, tickets, 1)
    found: list[tuple[int, TicketFacts, list[Passage]]] = []
    for number in range(1, tickets + 1):
        told = truth(account, number)
        if not told["removed"]:
            names = Names(users={int(user): name for user, name in told["people"].items()})
            comments = msgspec.convert(told["comments"], list[Comment])
            found.append((number, _facts(told["ticket"]["subject"] or ""), passages_of(comments, names)))
    return await _items(SAMPLE, found, provider)


async def script_items(provider: EmbeddingProvider) -> list[SinkItem]:
    """Return a ticket for each text in many scripts, numbered by ``ticket_of``."""
    return await _items(
        SCRIPTS,
        [
            (
                ticket_of(number, place),
                _facts("A ticket"),
                [Passage(comment_id=1, visibility="public", author="", created_at="", text=text)],
            )
            for number, word in enumerate(WORDS)
            for place, text in enumerate((word.has, *word.others))
        ],
        provider,
    )


def ticket_of(word: int, place: int) -> int:
    """Return the number of a word's ticket: place 0 has the word, the others have not."""
    return 10 * (word + 1) + place


async def embedded(texts: Sequence[str], provider: EmbeddingProvider) -> list[Vector]:
    """Return the vectors of texts."""
    vectors: list[Vector] = []
    for start in range(0, len(texts), _TEXTS_A_CALL):
        vectors += list(await provider.embed(texts[start : start + _TEXTS_A_CALL], "document"))
    return [np.ascontiguousarray(vector) for vector in vectors]


async def _items(
    account: str, tickets: list[tuple[int, TicketFacts, list[Passage]]], provider: EmbeddingProvider
) -> list[SinkItem]:
    cut = [(number, facts, chunk_ticket(facts.subject, passages)) for number, facts, passages in tickets]
    vectors: Iterator[Vector] = iter(
        await embedded([chunk.text for _, _, chunks in cut for chunk in chunks], provider)
    )
    return [
        SinkItem(
            account=account,
            ticket_id=number,
            facts=facts,
            upserts=[
                ObjectWrite(
                    visibility=chunk.visibility,
                    chunk_index=chunk.chunk_index,
                    text=chunk.text,
                    content_hash=chunk.content_hash,
                    vector=next(vectors),
                )
                for chunk in chunks
            ],
            stale_ids=[],
        )
        for number, facts, chunks in cut
    ]


def _facts(subject: str) -> TicketFacts:
    return TicketFacts(
        subject=subject,
        status="open",
        priority="",
        tags=[],
        requester="",
        assignee="",
        organization="",
        group="",
        created_at="2024-01-01T00:00:00Z",
        updated_at="2024-01-01T00:00:00Z",
    )
