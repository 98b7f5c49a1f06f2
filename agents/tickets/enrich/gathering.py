"""A ticket's passages as they come in; what would be too much for one message is sent on meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec.structs import replace

from agents.knowledge.parts import PartSets
from agents.knowledge.sent_parts import SentParts
from schemas.codec import encode
from schemas.messages.tickets import EnrichedPart, EnrichedTicket, Passage
from schemas.parts import PART_BYTES

_CHARACTERS: Final = PART_BYTES // 8
"""A character takes at most six bytes of JSON."""
_FILES_BYTES: Final = 16 * 1024
"""Of the names of a comment's files, no more is ever looked at (see streams.transforms.chunking)."""


class Gathered(SentParts):
    """The passages of one ticket, and the parts they have become."""

    def __init__(self, sets: PartSets, partition: int, key: bytes, account: str, ticket_id: int) -> None:
        super().__init__(sets, partition, key)
        self._account = account
        self._ticket_id = ticket_id
        self._passages: list[Passage] = []
        self._bytes = 0

    async def add(self, passages: Iterable[Passage]) -> None:
        """Take in passages, the oldest first; sends a part when there is more than one can hold."""
        for passage in passages:
            for piece in _pieces(passage):
                size = len(encode(piece))
                if self._passages and self._bytes + size > PART_BYTES:
                    await self._send()
                self._passages.append(piece)
                self._bytes += size

    async def into(self, ticket: EnrichedTicket) -> EnrichedTicket:
        """Return a ticket with these passages, or with where they are."""
        if self.writer is None:
            passages = sorted(self._passages, key=lambda one: (one.created_at, one.comment_id))
            return replace(ticket, passages=passages)
        if self._passages:
            await self._send()
        return replace(ticket, parts=self.writer.parts)

    async def _send(self) -> None:
        part = EnrichedPart(account=self._account, ticket_id=self._ticket_id, passages=self._passages)
        await self._send_part(part)
        self._passages, self._bytes = [], 0


def _pieces(passage: Passage) -> Iterator[Passage]:
    """Yield a passage, or pieces of one that no part could hold."""
    text = passage.text
    if len(text) <= _CHARACTERS and sum(map(len, passage.attachments)) <= _FILES_BYTES:
        yield passage
        return
    files, used = [], 0
    for name in passage.attachments:
        used += len(name)
        if used > _FILES_BYTES:
            break
        files.append(name)
    while len(text) > _CHARACTERS:
        end = text.rfind("\n", _CHARACTERS // 2, _CHARACTERS)
        end = end if end > 0 else _CHARACTERS
        yield replace(passage, text=text[:end], attachments=[])
        text = text[end:]
    yield replace(passage, text=text, attachments=files)
