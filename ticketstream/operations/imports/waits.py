"""Why an import cannot go on now: a daily cap of embedding, or what Zendesk refuses."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from schemas.messages.imports import ImportRecord
from schemas.messages.workers import Trouble
from schemas.settings.load import Settings
from schemas.topics import WORKER_STATES
from streams.kafka.topic_reader import TopicReader
from ticketstream.operations.imports.spending import CHANGELOG, SpendingBook
from ticketstream.operations.watch.troubles import TroubleBook, words_of


class Waits(NamedTuple):
    """Why embedding waits, all that asks Zendesk, or only what reads its export; None where it does not."""

    embedding: str | None = None
    zendesk: str | None = None
    export: str | None = None

    @classmethod
    def made_of(cls, embedding: str | None, trouble: Trouble | None) -> Waits:
        """Return why things wait, by the worst that Zendesk refuses."""
        words = None if trouble is None else words_of(trouble)
        if trouble is not None and trouble.kind == "export":
            return cls(embedding, export=words)
        return cls(embedding, zendesk=words)

    def of(self, record: ImportRecord) -> str | None:
        """Return why an import waits; None when it does not, or has ended."""
        if record.status != "running":
            return None
        asks = record.spec.replay in ("", "changes")  # a file's tickets may need names
        exports = not record.spec.replay and not record.spec.file and not record.source_ended
        return (asks and self.zendesk) or (exports and self.export) or self.embedding


class WaitsWatch:
    """Follows what the workers say of it; an async context manager. Raises UnavailableError."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._reader = TopicReader(settings.cluster, [CHANGELOG, WORKER_STATES])
        self._spending = SpendingBook(settings.kafka.partitions)
        self._troubles = TroubleBook(settings.account)

    async def __aenter__(self) -> WaitsWatch:
        await self._reader.__aenter__()
        try:
            async for raw in self._reader.to_end():
                self._add(raw)
        except BaseException:
            await self._reader.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(self, *problem: object) -> None:
        await self._reader.__aexit__(None, None, None)

    def _add(self, raw: Any) -> None:
        if raw.topic == CHANGELOG:
            self._spending.add(raw)
        else:
            self._troubles.add(raw)

    async def now(self) -> Waits:
        """Return why things wait now."""
        for raw in await self._reader.next_batch(0):
            self._add(raw)
        now = self._clock()
        trouble = self._troubles.worst(now)
        return Waits.made_of(self._spending.words(now), trouble)


async def waits_now(settings: Settings) -> Waits:
    """Return why things wait now. Raises UnavailableError."""
    async with WaitsWatch(settings) as watch:
        return await watch.now()
