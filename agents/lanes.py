"""The order of one partition: work may finish in any order, it leaves in the order it came.

Pure bookkeeping, no I/O. A lane is one partition of one topic at one stage.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from agents.outcomes import Done, Incoming


class Slot:
    """One message on its way through a stage."""

    __slots__ = ("done", "event", "message", "released", "size", "task")

    def __init__(self, event: Any, message: Incoming) -> None:
        self.event = event
        self.message = message
        self.size = len(message.value or b"")
        self.done: Done | None = None
        self.released = asyncio.Event()
        self.task: asyncio.Task[None] | None = None


class Lane:
    """The messages of one partition between their arrival and their acknowledgement."""

    def __init__(self) -> None:
        self._slots: deque[Slot] = deque()
        self._last_by_key: dict[bytes, Slot] = {}
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def oldest(self) -> Slot | None:
        """The message that came first of those in the lane."""
        return self._slots[0] if self._slots else None

    def add(self, slot: Slot) -> Slot | None:
        """Append a message; returns the one of the same key that must be released before its work starts."""
        self._slots.append(slot)
        key = slot.message.key
        if key is None:
            return None
        before = self._last_by_key.get(key)
        self._last_by_key[key] = slot
        return before

    def finish(self, slot: Slot, done: Done) -> None:
        """Note the outcome of a message."""
        slot.done = done
        self._wake.set()

    async def finished_prefix(self, at_most: int) -> list[Slot]:
        """Wait for the oldest message to finish; return it and those right behind that have finished too.

        They stay in the lane until ``release``.
        """
        while not self._slots or self._slots[0].done is None:
            self._wake.clear()
            await self._wake.wait()
        prefix: list[Slot] = []
        for slot in self._slots:
            if slot.done is None or len(prefix) == at_most:
                break
            prefix.append(slot)
        return prefix

    def release(self, prefix: list[Slot]) -> None:
        """Take the oldest messages out, and let the next ones of their keys start."""
        for slot in prefix:
            removed = self._slots.popleft()
            if removed is not slot:
                raise RuntimeError("messages must be released in the order they came")
            key = slot.message.key
            if key is not None and self._last_by_key.get(key) is slot:
                del self._last_by_key[key]
            slot.released.set()

    def abandon(self) -> list[Slot]:
        """Empty the lane without releasing anything; returns what was in it."""
        slots = list(self._slots)
        self._slots.clear()
        self._last_by_key.clear()
        return slots
