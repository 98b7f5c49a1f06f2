"""A backfill waits while the way ahead is long."""

from __future__ import annotations

import asyncio

import pytest

from agents.knowledge import backlog as backlog_module
from agents.knowledge.backlog import Backlog
from schemas.topics import CHANGES, EMBEDDED, ENRICHED
from streams.kafka.positions import Positions
from streams.testing import settle


def make(limit: int = 10) -> tuple[Backlog, Positions]:
    positions = Positions()
    positions.sent.update({(ENRICHED, 0): 100, (ENRICHED, 1): 50, (EMBEDDED, 0): 95, (CHANGES, 0): 10_000})
    return Backlog(positions, limit, limit // 2), positions


async def enter(backlog: Backlog, wanted: int = 1) -> int:
    async with backlog.room_for(wanted) as some:
        return some


def test_it_counts_what_lies_between_enrich_and_weaviate() -> None:
    backlog, positions = make()
    assert backlog.size() == 0  # partitions of other workers do not count
    positions.released[ENRICHED, 0] = 95
    assert backlog.size() == 5
    positions.released[ENRICHED, 1] = 10
    positions.released[EMBEDDED, 0] = 90
    assert backlog.size() == 5 + 40 + 5
    for partition in (0, 1):
        positions.forget_arrivals((ENRICHED, partition))  # as the stage does when its partitions go
    assert backlog.size() == 5


def test_what_is_done_behind_a_slow_one_is_not_on_its_way() -> None:
    backlog, positions = make()
    positions.passed[ENRICHED, 0] = 30
    positions.released[ENRICHED, 0] = 60
    assert backlog.size() == 10


def test_what_others_sent_never_counts_below_nothing() -> None:
    backlog, positions = make()
    positions.released[ENRICHED, 0] = 500
    positions.released[ENRICHED, 1] = 45
    assert backlog.size() == 5


async def test_there_is_room_up_to_the_limit() -> None:
    backlog, positions = make(limit=10)
    positions.released[ENRICHED, 0] = 94
    assert await asyncio.wait_for(enter(backlog, 3), 1) == 3
    assert await asyncio.wait_for(enter(backlog, 30), 1) == 4
    positions.released[ENRICHED, 0] = 90
    await asyncio.sleep(backlog_module._FRESH_SECONDS)  # so long what was seen holds good
    assert backlog.is_long()
    waiting = asyncio.create_task(enter(backlog))
    await settle()
    assert not waiting.done()
    positions.released[ENRICHED, 0] = 95
    assert await asyncio.wait_for(waiting, 1) == 1


async def test_what_is_being_sent_counts_too() -> None:
    backlog, _ = make(limit=10)
    sent = asyncio.Event()
    taken: list[int] = []

    async def send() -> None:
        async with backlog.room_for(6) as some:
            taken.append(some)
            await sent.wait()

    sending = [asyncio.create_task(send()) for _ in range(3)]  # all ask in one moment
    await settle()
    assert taken == [6, 4]
    assert backlog.size() == 10
    sent.set()
    await asyncio.wait_for(asyncio.gather(*sending), 5)
    assert taken == [6, 4, 6]
    assert backlog.size() == 0


async def test_one_that_is_taken_away_while_it_sends_is_not_counted_for_ever() -> None:
    backlog, _ = make(limit=10)

    async def send() -> None:
        async with backlog.room_for(6):
            await asyncio.Event().wait()

    sending = asyncio.create_task(send())
    await settle()
    assert backlog.size() == 6
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    assert backlog.size() == 0


async def test_a_worker_that_stops_lets_everything_pass() -> None:
    backlog, positions = make(limit=10)
    positions.released[ENRICHED, 0] = 0
    waiting = asyncio.create_task(enter(backlog, 200))
    await settle()
    assert not waiting.done()
    await backlog.finish(0)
    assert await asyncio.wait_for(waiting, 1) == 200
    assert await asyncio.wait_for(enter(backlog, 7), 1) == 7


async def test_while_it_is_closed_nothing_is_worked_on_however_short_the_way_is() -> None:
    closed = True
    backlog = Backlog(Positions(), 10, 10, lambda: closed)
    beginning = asyncio.create_task(backlog.wait_while_capped())
    await asyncio.sleep(0.06)
    assert not beginning.done()
    await asyncio.wait_for(backlog.wait_while_capped(embeds=False), 5)  # vectors that are there already
    closed = False
    await asyncio.wait_for(beginning, 5)
    closed = True
    await backlog.finish(0)  # a worker that stops finishes what it has begun
    await asyncio.wait_for(backlog.wait_while_capped(), 5)


async def test_while_live_changes_come_the_way_is_kept_shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    backlog, positions = make(limit=10)
    positions.released[ENRICHED, 0] = 94
    assert await asyncio.wait_for(enter(backlog), 1) == 1
    backlog.note_live()
    assert backlog.is_live()
    waiting = asyncio.create_task(enter(backlog))
    await settle()
    assert not waiting.done()
    monkeypatch.setattr(backlog_module, "_LIVE_SECONDS", 0.0)
    backlog.note_live()
    assert not backlog.is_live()
    assert await asyncio.wait_for(waiting, 1) == 1
