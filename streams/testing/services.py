"""Zendesk and the embedding provider, in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec
import numpy as np

from schemas.codec import encode
from schemas.ids import content_hash
from schemas.lanes import Lane
from schemas.messages.tickets import TicketChange
from schemas.vectors import Vector
from schemas.zendesk import Comment, Ticket
from streams.embeddings.batcher import Embedded
from streams.sources.zendesk.comments import Comments
from streams.sources.zendesk.tickets import Row
from streams.transforms.names import Names


class InMemoryBatcher:
    """Gives each text a vector of ``dimensions`` numbers of its own, at once.

    It stands for EmbeddingBatcher: every request is a call, and no quota is asked. While ``error`` is set the
    call number ``fails_at`` (from 1 on; 0: each) raises it. ``texts`` are those of each call, ``lanes`` their
    lanes.
    """

    def __init__(self, dimensions: int = 4) -> None:
        self.texts: list[list[str]] = []
        self.lanes: list[Lane] = []
        self.error: Exception | None = None
        self.calls = 0
        self.fails_at = 0
        self._dimensions = dimensions

    async def embed(self, texts: Sequence[str], *, lane: Lane) -> Embedded:
        """Return the vectors of the texts, in their order; raises ``error``."""
        self.calls += 1
        if self.error is not None and self.fails_at in (0, self.calls):
            raise self.error
        self.texts.append(list(texts))
        self.lanes.append(lane)
        return Embedded(np.stack([vector_of(text, self._dimensions) for text in texts]), 1)

    def flush(self) -> None:
        """Nothing waits."""


def vector_of(text: str, dimensions: int = 4) -> Vector:
    """Return a float32 vector of length 1 that depends on nothing but the text."""
    seed = int(content_hash(text)[:8], 16)
    vector = np.random.default_rng(seed).normal(size=dimensions)
    made: Vector = (vector / np.linalg.norm(vector)).astype(np.float32)
    return made


class InMemoryZendesk:
    """What the stage enrich asks of Zendesk, of one ticket, whatever number it asks for.

    It stands for TicketReader. Unlike that it knows all names without a call, and asks no quota.

    ``ticket`` is what the account has now (None: it is no longer there), or ``raw`` in its place, as Zendesk
    would send it. ``comments`` come ``page_size`` a page; page number ``error_page`` (from 0 on) raises
    ``error``; while ``gate`` is cleared the answer for them waits, and is that of the moment of the question.
    ``target`` is what the audits say of a merge, ``known`` what was found out of it before. ``asked`` are the
    questions: what for, of which ticket or comments, and the lane.
    """

    def __init__(
        self,
        ticket: Ticket | None = None,
        comments: Sequence[Comment] = (),
        *,
        users: dict[int, str] | None = None,
        page_size: int = 100,
    ) -> None:
        self.ticket = ticket
        self.raw: bytes | None = None
        self.comments = list(comments)
        self.page_size = page_size
        self.error: BaseException | None = None
        self.error_page = 0
        self.target = 0
        self.known = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked: list[tuple[str, Any, Lane]] = []
        self._names = Names(users=users or {})

    def count(self, what: str) -> int:
        """Return how often was asked for something: "row", "comments", "audits" or "names"."""
        return sum(asked == what for asked, *_ in self.asked)

    async def row(self, ticket_id: int, lane: Lane, sending: Callable[[], None]) -> Row:
        """Return the ticket as it is now; ``sending`` is called just before the question goes out."""
        self.asked.append(("row", ticket_id, lane))
        sending()
        raw = encode(self.ticket) if self.raw is None and self.ticket is not None else self.raw
        return Row(None if raw is None else msgspec.Raw(raw), 1)

    async def comment_pages(self, ticket_id: int, lane: Lane) -> AsyncIterator[Comments]:
        """Yield the comments page by page, each with one call; raises ``error``."""
        self.asked.append(("comments", ticket_id, lane))
        found = list(self.comments)
        await self.gate.wait()
        for number, start in enumerate(range(0, max(1, len(found)), self.page_size)):
            if self.error is not None and number == self.error_page:
                raise self.error
            yield Comments(found[start : start + self.page_size], [], 1)

    def known_target(self, ticket: Ticket) -> int:
        """Return what was found out of a merge before (0: nothing), without a call."""
        return self.known

    async def merge_target(self, ticket: Ticket, lane: Lane) -> tuple[int, int]:
        """Return the ticket that a closed one was merged into (0: none), and that it took a call."""
        self.asked.append(("audits", ticket.id, lane))
        self.known = self.target
        return self.target, 1

    async def names(self, change: TicketChange, comments: list[Comment], lane: Lane) -> tuple[Names, int]:
        """Return the names of the people, and that it took no call."""
        self.asked.append(("names", [comment.id for comment in comments], lane))
        return self._names, 0
