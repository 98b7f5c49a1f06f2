"""The order of one partition: work may finish in any order, it is acknowledged in the order it came.

Pure bookkeeping, no I/O. There is one queue for each partition of each topic that a stage reads. Finished
messages are settled (their effects and entries are written) in order as a rule. While one takes long, or is
tried again and again, finished ones behind it are settled first; those of one key are always settled in
order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from agents.engine.outcomes import Outcome
from streams.kafka.messages import Incoming


class Queued:
    """One message on its way through a stage."""

    __slots__ = ("done", "event", "message", "settled", "size", "task")

    def __init__(self, event: Any, message: Incoming) -> None:
        self.event = event
        self.message = message
        self.size = len(message.value or b"")
        self.done: Outcome | None = None
        self.settled = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    def let_go(self) -> None:
        """Drop what is large: a settled message may wait long until those before it are acknowledged."""
        self.message = self.message._replace(value=None, headers=())
        self.event.message.value = self.event.value = None
        self.task = None
        if self.done is not None:
            self.done = Outcome(
                self.done.verdict,
                reason=self.done.reason,
                account=self.done.account,
                import_id=self.done.import_id,
                vectors=self.done.vectors,
                calls=self.done.calls,
            )


class PartitionQueue:
    """The messages of one partition between their arrival and their acknowledgement."""

    def __init__(self) -> None:
        self._queued: deque[Queued] = deque()
        self._last_by_key: dict[bytes, Queued] = {}
        self._unsettled = 0
        self._finished = 0
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._queued)

    @property
    def unsettled(self) -> int:
        """Messages that are worked on, or have finished and are not settled."""
        return self._unsettled

    @property
    def oldest(self) -> Queued | None:
        """The message that came first of those in the queue."""
        return self._queued[0] if self._queued else None

    def add(self, queued: Queued) -> Queued | None:
        """Append a message; returns the one of the same key that must be settled before its work starts."""
        self._queued.append(queued)
        self._unsettled += 1
        key = queued.message.key
        if key is None:
            return None
        before = self._last_by_key.get(key)
        self._last_by_key[key] = queued
        return before

    def finish(self, queued: Queued, done: Outcome) -> None:
        """Note the outcome of a message."""
        queued.done = done
        self._finished += 1
        self._wake.set()

    async def finished(self, at_most: int, patience: float) -> list[Queued]:
        """Wait for the oldest message to finish; return it and those right behind that have finished too.

        Once finished messages have waited ``patience`` seconds for the oldest, they are returned without it.
        All stay in the queue until they are acknowledged.
        """
        deadline: float | None = None
        loop = asyncio.get_running_loop()
        while not self._queued or self._queued[0].done is None:
            if self._finished and deadline is None:
                deadline = loop.time() + patience
            self._wake.clear()
            try:
                async with asyncio.timeout_at(deadline if self._finished else None):
                    await self._wake.wait()
            except TimeoutError:
                if ahead := self._ahead(at_most):
                    return ahead
                deadline = loop.time() + patience
        return self.prefix(at_most)

    def prefix(self, at_most: int) -> list[Queued]:
        """Return the oldest messages, as far as they have finished, without those that are settled."""
        found: list[Queued] = []
        for queued in self._queued:
            if queued.done is None or len(found) == at_most:
                break
            if not queued.settled.is_set():
                found.append(queued)
        return found

    def _ahead(self, at_most: int) -> list[Queued]:
        """Return finished messages, also behind unfinished ones of other keys."""
        found: list[Queued] = []
        busy: set[bytes] = set()
        for queued in self._queued:
            key = queued.message.key
            if queued.done is None:
                if key is not None:
                    busy.add(key)
            elif not queued.settled.is_set() and (key is None or key not in busy):
                found.append(queued)
                if len(found) == at_most:
                    break
        return found

    def leading(self, settling: Iterable[Queued]) -> list[Queued]:
        """Return the oldest messages that can be acknowledged once these are settled."""
        also = set(settling)
        found: list[Queued] = []
        for queued in self._queued:
            if not (queued.settled.is_set() or queued in also):
                break
            found.append(queued)
        return found

    def settle(self, batch: Iterable[Queued]) -> None:
        """Note that the effects of finished messages are there; the next ones of their keys may start."""
        for queued in batch:
            if queued.done is None or queued.settled.is_set():
                raise RuntimeError("a message is settled once, when it has finished")
            self._unsettled -= 1
            self._finished -= 1
            key = queued.message.key
            if key is not None and self._last_by_key.get(key) is queued:
                del self._last_by_key[key]
            queued.settled.set()

    def acknowledged(self, prefix: Sequence[Queued]) -> None:
        """Take the oldest messages out."""
        for queued in prefix:
            if not queued.settled.is_set() or self._queued.popleft() is not queued:
                raise RuntimeError("messages must be acknowledged in the order they came, when settled")

    def abandon(self) -> list[Queued]:
        """Empty the queue without acknowledging anything; returns what was in it."""
        batch = list(self._queued)
        self._queued.clear()
        self._last_by_key.clear()
        self._unsettled = self._finished = 0
        return batch
