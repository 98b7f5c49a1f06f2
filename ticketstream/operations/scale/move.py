"""Moves what was found: a copy in the new partition first, then the old place is emptied.

Killed in between, both places hold the same; done again, the copy comes a second time and changes nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Final

from aiokafka import TopicPartition

from schemas.headers.moves import moved_headers
from streams.kafka.chosen_offsets import Chosen
from streams.kafka.messages import Record
from streams.kafka.offset_ranges import OffsetRange, RangeReader
from ticketstream.operations.progress import CountHook
from ticketstream.operations.scale.homes import Change
from ticketstream.operations.scale.scan import Found, groups

_BATCH_RECORDS: Final = 2_000
_BATCH_BYTES: Final = 8 * 1024 * 1024

Send = Callable[[Sequence[Record]], Awaitable[object]]
"""Sends records and returns when Kafka has acknowledged all."""


class Move:
    """Moves the messages that were found to where their keys belong.

    ``copied`` are topics whose messages stay in their old place too.
    """

    def __init__(self, change: Change, send: Send, *, copied: Collection[str] = ()) -> None:
        self._change = change
        self._send = send
        self._copied = frozenset(copied)
        self._copies: list[Record] = []
        self._stands: list[Record] = []
        self._held = 0
        self.moved = 0

    async def run(
        self,
        reader: RangeReader,
        spans: Mapping[TopicPartition, OffsetRange],
        found: Mapping[TopicPartition, Found],
        counted: CountHook,
    ) -> None:
        """Move what was found in these parts of the partitions; ``counted`` hears of keys, not messages."""
        chosen = Chosen()
        for place, some in found.items():
            chosen.add(place.partition, {place.topic: some.offsets})
        wanted = {place: span for place, span in spans.items() if found[place].offsets}
        for group in groups(wanted):
            async for batch in reader.read(group):
                for raw in batch.records:
                    if raw in chosen:
                        self._add(raw)
                    if len(self._copies) >= _BATCH_RECORDS or self._held >= _BATCH_BYTES:
                        await self._flush(counted)
            await self._flush(counted)

    def _add(self, raw: Any) -> None:
        target = self._change.target(raw.key, raw.partition)
        if target is None:
            return
        self._copies.append(Record(raw.topic, target, raw.key, raw.value, list(raw.headers or ())))
        if raw.topic not in self._copied:
            self._stands.append(Record(raw.topic, raw.partition, raw.key, None, moved_headers(target)))
        self._held += len(raw.value or b"")

    async def _flush(self, counted: CountHook) -> None:
        if not self._copies:
            return
        await self._send(self._copies)
        if self._stands:
            await self._send(self._stands)
        self.moved += len(self._copies)
        counted(len(self._copies))
        self._copies, self._stands, self._held = [], [], 0
