"""A backfill waits while the way ahead is long."""

from __future__ import annotations

import asyncio

import pytest

from agents import backlog as backlog_module
from agents.backlog import Backlog
from schemas.topics import BACKFILL, CHANGES, EMBEDDED, ENRICHED
from tests.agents_fixtures import FakeProducer, a_change, a_message, settle


def make(limit: int = 10) -> tuple[Backlog, dict[tuple[str, int], int], dict[tuple[str, int], int]]:
    producer = FakeProducer()
    backlog = Backlog(producer, limit, limit // 2)
    enriched: dict[tuple[str, int], int] = {}
    embedded: dict[tuple[str, int], int] = {}
    backlog.watch(ENRICHED, enriched)
    backlog.watch(EMBEDDED, embedded)
    producer.heads = {(ENRICHED, 0): 100, (ENRICHED, 1): 50, (EMBEDDED, 0): 95, (CHANGES, 0): 10_000}
    return backlog, enriched, embedded


async def enter(backlog: Backlog, offset: int = 0, *, embeds: bool = True) -> None:
    async with backlog.room(a_message(a_change(), topic=BACKFILL, offset=offset), embeds=embeds):
        pass


def test_it_counts_what_lies_between_enrich_and_weaviate() -> None:
    backlog, enriched, embedded = make()
    assert backlog.size() == 0  # partitions of other workers do not count
    enriched[ENRICHED, 0] = 95
    assert backlog.size() == 5
    enriched[ENRICHED, 1] = 10
    embedded[EMBEDDED, 0] = 90
    assert backlog.size() == 5 + 40 + 5
    enriched.clear()  # kept up to date by the stage, also after a rebalance
    assert backlog.size() == 5


def test_what_has_been_let_in_but_not_sent_counts_too() -> None:
    backlog, enriched, _ = make()
    enriched[ENRICHED, 0] = 95
    backlog.watch_entering(lambda: 7, lambda _: False)
    assert backlog.size() == 5 + 7


def test_what_others_sent_never_counts_below_nothing() -> None:
    backlog, enriched, _ = make()
    enriched[ENRICHED, 0] = 500
    enriched[ENRICHED, 1] = 45
    assert backlog.size() == 5


async def test_there_is_room_up_to_the_limit() -> None:
    backlog, enriched, _ = make(limit=10)
    enriched[ENRICHED, 0] = 90
    await asyncio.wait_for(enter(backlog), 1)
    enriched[ENRICHED, 0] = 89
    await asyncio.sleep(backlog_module._FRESH_SECONDS)  # so long what was seen holds good
    waiting = asyncio.create_task(enter(backlog))
    await settle()
    assert not waiting.done()
    enriched[ENRICHED, 0] = 95
    await asyncio.wait_for(waiting, 1)


async def test_a_worker_that_stops_lets_everything_pass() -> None:
    backlog, enriched, _ = make(limit=10)
    enriched[ENRICHED, 0] = 0
    waiting = asyncio.create_task(enter(backlog))
    await settle()
    assert not waiting.done()
    backlog.open()
    await asyncio.wait_for(waiting, 1)
    await asyncio.wait_for(enter(backlog), 1)


async def test_while_it_is_closed_nothing_enters_however_short_the_way_is() -> None:
    closed = True
    backlog = Backlog(FakeProducer(), 10, 10, lambda: closed)
    entering = asyncio.create_task(enter(backlog))
    await asyncio.sleep(0.06)
    assert not entering.done()
    await asyncio.wait_for(enter(backlog, embeds=False), 5)  # vectors that are there already
    closed = False
    await asyncio.wait_for(entering, 5)
    closed = True
    backlog.open()  # a worker that stops finishes what it has begun
    await asyncio.wait_for(enter(backlog), 5)


async def test_those_let_in_count_until_they_are_finished() -> None:
    backlog, *_ = make(limit=2)
    leaving = asyncio.Event()

    async def fetch(offset: int) -> None:
        async with backlog.room(a_message(a_change(), topic=BACKFILL, offset=offset)):
            await leaving.wait()

    fetching = [asyncio.create_task(fetch(offset)) for offset in range(50)]  # all ask in one moment
    await settle()
    assert backlog.size() == 3
    leaving.set()
    await asyncio.wait_for(asyncio.gather(*fetching), 5)
    assert backlog.size() == 0


async def test_the_one_that_others_wait_for_is_let_in() -> None:
    backlog, enriched, _ = make(limit=10)
    finished = 30  # behind it in its partition: they are not sent before it
    backlog.watch_entering(lambda: finished, lambda message: message.offset == 7)
    await asyncio.wait_for(enter(backlog, 7), 1)
    waiting = asyncio.create_task(enter(backlog, 8))
    await settle()
    assert not waiting.done()
    enriched[ENRICHED, 0] = 89  # the way behind enrich is long itself
    await asyncio.sleep(backlog_module._FRESH_SECONDS)
    next_one = asyncio.create_task(enter(backlog, 7))
    await settle()
    assert not next_one.done()
    backlog.open()
    await asyncio.wait_for(asyncio.gather(waiting, next_one), 1)


async def test_while_live_changes_come_the_way_is_kept_shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    backlog, enriched, _ = make(limit=10)
    enriched[ENRICHED, 0] = 92
    await asyncio.wait_for(enter(backlog), 1)
    backlog.live()
    assert backlog.is_live()
    waiting = asyncio.create_task(enter(backlog))
    await settle()
    assert not waiting.done()
    monkeypatch.setattr(backlog_module, "_LIVE_SECONDS", 0.0)
    backlog.live()
    assert not backlog.is_live()
    await asyncio.wait_for(waiting, 1)
