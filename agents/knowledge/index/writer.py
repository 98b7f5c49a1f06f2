"""The sink behind windows: many tickets, a few batches under way, each ticket its own result."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from schemas.codec import encode
from schemas.errors import RetryableError, TicketstreamError
from schemas.lanes import Lane
from streams.retries import retrying
from streams.sinks.base import Sink, SinkItem, SinkResult
from streams.windows.calls import Failed, WindowedCalls

OpenSink = Callable[[str, int], Awaitable[Sink]]
Wrote = Callable[[Sequence[Any], float, str, int, str], None]

_TICKETS = 100
_CHUNKS = 300
_CHUNKS_LIVE = 40
"""Chunks of a batch while live changes come: Weaviate works on batches side by side, and a large one of a
backfill would take the processor from a live change."""
_FACTS_BYTES = 8 * 1024
"""Every chunk carries the ticket's facts: with more than these (thousands of tags) it counts as several."""
_BACKFILL_SECONDS = 0.1
_LIVE_SECONDS = 0.005


def _weight(item: SinkItem) -> int:
    return max(1, len(item.upserts) * (1 + len(encode(item.facts)) // _FACTS_BYTES))


class _Asked(NamedTuple):
    item: SinkItem
    caller_span: Any


class BatchedWriter:
    """Writes tickets to the collection each one names; ``open_sink`` gives the sink of a collection
    and the size of its vectors.

    ``caller_span`` returns the span of whoever asks for a ticket; ``wrote`` is told of each batch: these
    spans, the seconds it took, the collection, the number of chunks, and the name of its error or "". While
    ``live`` says that live changes come, a backfill's batches are small, one at a time.
    """

    def __init__(
        self,
        open_sink: OpenSink,
        on_retry: Callable[[RetryableError, int, float], None],
        *,
        caller_span: Callable[[], Any] = lambda: None,
        wrote: Wrote = lambda *_: None,
        live: Callable[[], bool] = lambda: False,
    ) -> None:
        self._open_sink = open_sink
        self._on_retry = on_retry
        self._asker = caller_span
        self._wrote = wrote
        self._live = live
        self._windows: dict[str, WindowedCalls[_Asked, SinkResult]] = {}

    async def write(self, collection: str, dimensions: int, item: SinkItem, lane: Lane) -> SinkResult:
        """Write one ticket; a sink that is away is tried until it is back."""
        windows = self._windows.get(collection)
        if windows is None:
            windows = self._windows[collection] = self._open(collection, dimensions)
        (result,) = await windows.submit([_Asked(item, self._asker())], lane=lane)
        return result

    def _open(self, collection: str, dimensions: int) -> WindowedCalls[_Asked, SinkResult]:
        async def write(asked: list[_Asked]) -> list[SinkResult]:
            sink = await self._open_sink(collection, dimensions)
            started = time.perf_counter()
            error = "cancelled"
            try:
                written = await sink.write([each.item for each in asked])
                error = ""
                return written
            except Exception as failure:
                error = type(failure).__name__
                raise
            finally:
                chunks = sum(len(each.item.upserts) for each in asked)
                seconds = time.perf_counter() - started
                self._wrote([each.caller_span for each in asked], seconds, collection, chunks, error)

        async def call(items: list[_Asked]) -> list[SinkResult | Failed]:
            try:
                return list(await retrying(lambda: write(items), on_retry=self._on_retry))
            except TicketstreamError:
                raise
            except Exception as error:
                # One ticket with an unforeseen error must not fail the others of its batch, so the batch is
                # halved until that ticket is alone.
                if len(items) == 1:
                    return [Failed(error)]
                middle = len(items) // 2
                return [*await call(items[:middle]), *await call(items[middle:])]

        return WindowedCalls(
            call,
            max_items=_TICKETS,
            max_weight=lambda: _CHUNKS_LIVE if self._live() else _CHUNKS,
            max_seconds=_BACKFILL_SECONDS,
            live_seconds=_LIVE_SECONDS,
            in_flight=lambda: 1 if self._live() else 2,
            live_in_flight=2,
            weight=lambda asked: _weight(asked.item),
        )

    async def settle(self, timeout: float) -> None:
        """Wait at most so many seconds for the writes under way, then cancel them: nobody waits for them."""
        for windows in self._windows.values():
            await windows.settle(timeout)

    async def close(self) -> None:
        """Finish what waits."""
        for windows in self._windows.values():
            await windows.close(timeout=5)
