"""The parts that a ticket has become so far, until its closing message says which they are."""

from __future__ import annotations

import msgspec

from agents.knowledge.parts import PartSets, PartWriter


class SentParts:
    """``writer`` is None until something was too much for one message."""

    def __init__(self, sets: PartSets, partition: int, key: bytes, writer: PartWriter | None = None) -> None:
        self._sets = sets
        self._partition = partition
        self._key = key
        self.writer = writer

    async def undo(self) -> None:
        """Take back what has been sent: the ticket itself will not come."""
        writer, self.writer = self.writer, None
        if writer is not None:
            await self._sets.undo(writer)

    def close(self) -> None:
        """Leave what has been sent: the next attempt at the message goes on with it, or deletes it."""
        if self.writer is not None:
            self._sets.close(self.writer.name)

    async def _send_part(self, part: msgspec.Struct) -> None:
        if self.writer is None:
            self.writer = self._sets.begin(self._partition, self._key)
        await self.writer.add(part)
