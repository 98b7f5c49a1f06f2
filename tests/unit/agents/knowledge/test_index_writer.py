"""The sink behind windows: few batches, each ticket its own result."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import numpy as np
import pytest

from agents.knowledge.index import writer as module
from agents.knowledge.index.writer import BatchedWriter
from schemas.errors import RetryableError, UnavailableError
from schemas.testing import FACTS
from streams.retries import RetryPolicy, retrying
from streams.sinks.base import ObjectWrite, SinkItem, SinkResult
from streams.testing import InMemorySink


def item(ticket_id: int, chunks: int = 1, dimensions: int = 4) -> SinkItem:
    vector = np.zeros(dimensions, dtype=np.float32)
    writes = [
        ObjectWrite(visibility="public", chunk_index=number, text="", content_hash="", vector=vector)
        for number in range(chunks)
    ]
    return SinkItem(account="acme", ticket_id=ticket_id, facts=FACTS, upserts=writes)


def tickets_of(sink: InMemorySink) -> list[list[int]]:
    """Return the numbers of the tickets in each batch."""
    return [[one.ticket_id for one in batch] for batch in sink.batches]


class WriterBench:
    def __init__(self) -> None:
        self.sinks: dict[tuple[str, int], InMemorySink] = {}
        self.retries: list[RetryableError] = []
        self.live = False
        self.writer = BatchedWriter(
            self.open, lambda error, *_: self.retries.append(error), live=lambda: self.live
        )

    async def open(self, collection: str, dimensions: int) -> Any:
        return self.sinks.setdefault((collection, dimensions), InMemorySink(dimensions))

    async def write(
        self, *items: SinkItem, collection: str = "A", lane: Any = "backfill"
    ) -> list[SinkResult]:
        return await asyncio.gather(*(self.writer.write(collection, 4, one, lane) for one in items))


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WriterBench]:
    def at_once(call: Any, on_retry: Any) -> Any:
        return retrying(call, RetryPolicy(factor=0), on_retry=on_retry)

    monkeypatch.setattr(module, "retrying", at_once)
    made = WriterBench()
    yield made
    await made.writer.close()


async def test_tickets_of_a_moment_are_one_batch_and_each_gets_its_own_result(bench: WriterBench) -> None:
    results = await bench.write(*(item(number, number, 5 if number == 13 else 4) for number in range(10, 15)))
    assert tickets_of(bench.sinks["A", 4]) == [[10, 11, 12, 13, 14]]
    assert [result.vectors_written for result in results] == [10, 11, 12, 0, 14]
    assert [result.error is not None for result in results] == [False, False, False, True, False]


async def test_a_batch_is_bounded_by_tickets_and_by_chunks(bench: WriterBench) -> None:
    await bench.write(*(item(number) for number in range(250)))
    tickets = [len(batch) for batch in bench.sinks["A", 4].batches]
    assert (max(tickets), sum(tickets)) == (100, 250)
    await bench.write(*(item(number, chunks=150) for number in range(4)), collection="B")
    tickets = [len(batch) for batch in bench.sinks["B", 4].batches]
    assert (max(tickets), sum(tickets)) == (2, 4)


async def test_a_backfill_takes_little_at_once_while_live_changes_come(bench: WriterBench) -> None:
    bench.live = True
    await bench.write(*(item(number, chunks=10) for number in range(12)))
    tickets = [len(batch) for batch in bench.sinks["A", 4].batches]
    assert (max(tickets), sum(tickets)) == (4, 12)


async def test_a_removed_ticket_weighs_something_too(bench: WriterBench) -> None:
    await bench.write(*(item(number, chunks=0) for number in range(350)))
    assert max(len(batch) for batch in bench.sinks["A", 4].batches) == 100


async def test_each_collection_has_its_own_batches(bench: WriterBench) -> None:
    await asyncio.gather(bench.write(item(1), collection="A"), bench.write(item(1), collection="B"))
    assert [tickets_of(sink) for sink in bench.sinks.values()] == [[[1]], [[1]]]


async def test_a_sink_that_is_away_is_tried_until_it_is_back(bench: WriterBench) -> None:
    bench.sinks["A", 4] = InMemorySink(4)
    bench.sinks["A", 4].errors = [UnavailableError("away")] * 3
    results = await bench.write(item(1), lane="live")
    assert tickets_of(bench.sinks["A", 4]) == [[1]] * 4
    assert [result.vectors_written for result in results] == [1]
    assert len(bench.retries) == 3


async def test_closing_finishes_what_waits(bench: WriterBench) -> None:
    writing = asyncio.create_task(bench.write(item(1)))
    await asyncio.sleep(0)
    await bench.writer.close()
    assert (await writing)[0].vectors_written == 1


async def test_an_odd_ticket_fails_alone(bench: WriterBench) -> None:
    class Odd(InMemorySink):
        async def write(self, batch: Sequence[SinkItem]) -> list[SinkResult]:
            results = await super().write(batch)
            if any(one.ticket_id == 3 for one in batch):
                raise ZeroDivisionError("nobody foresaw this")
            return results

    sink = bench.sinks["A", 4] = Odd(4)
    results = await asyncio.gather(
        *(bench.writer.write("A", 4, item(number), "backfill") for number in range(1, 6)),
        return_exceptions=True,
    )
    assert [type(result).__name__ for result in results] == [
        "SinkResult",
        "SinkResult",
        "ZeroDivisionError",
        "SinkResult",
        "SinkResult",
    ]
    assert tickets_of(sink)[0] == [1, 2, 3, 4, 5]


async def test_tickets_with_thousands_of_tags_are_written_a_few_at_a_time(bench: WriterBench) -> None:
    facts = msgspec.structs.replace(FACTS, tags=[f"tag-{number}" for number in range(20_000)])
    await bench.write(*(msgspec.structs.replace(item(number, 10), facts=facts) for number in range(3)))
    assert tickets_of(bench.sinks["A", 4]) == [[0], [1], [2]]
