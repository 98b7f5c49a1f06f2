"""The broadcast: newest first, nothing kept for the slow."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from ticketstream.operations.watch.broadcast import Broadcast, FullError, Message


async def take(messages: Any, count: int) -> list[Message]:
    async with asyncio.timeout(5):
        return [await anext(messages) for _ in range(count)]


async def test_a_watcher_gets_the_newest_at_once_and_then_each_new_one() -> None:
    broadcast = Broadcast()
    broadcast.publish({"n": 1}, [{"at": 0}])
    messages = broadcast.messages()
    (first,) = await take(messages, 1)
    assert orjson.loads(first.text) == {"type": "overview", "overview": {"n": 1}}
    assert first.event == b'event: overview\ndata: {"n":1}\n\n'
    waiting = asyncio.create_task(take(messages, 2))
    await asyncio.sleep(0)
    assert not waiting.done()
    broadcast.publish({"n": 2}, [{"at": 10}])
    point, second = await waiting
    assert orjson.loads(point.text) == {"type": "point", "point": {"at": 10}}
    assert orjson.loads(second.text)["overview"] == {"n": 2}


async def test_before_there_is_anything_a_watcher_waits() -> None:
    broadcast = Broadcast()
    waiting = asyncio.create_task(take(broadcast.messages(), 1))
    await asyncio.sleep(0)
    assert not waiting.done()
    broadcast.publish({"n": 1}, [])
    assert (await waiting)[0].kind == "overview"


async def test_a_slow_watcher_skips_overviews_but_misses_no_point_of_the_history() -> None:
    broadcast = Broadcast()
    broadcast.publish({"n": 0}, [])
    messages = broadcast.messages()
    await take(messages, 1)
    for number in range(1, 1_001):
        broadcast.publish({"n": number}, [{"at": number}] if number % 100 == 0 else [])
    got = await take(messages, 11)
    assert [orjson.loads(one.text)["point"]["at"] for one in got[:10]] == list(range(100, 1_001, 100))
    assert orjson.loads(got[10].text)["overview"] == {"n": 1_000}
    for number in range(1_000):
        broadcast.publish({"n": number}, [{"at": number}])
    assert len(await take(messages, 181)) == 181  # no more than the history has


async def test_all_watchers_get_the_very_same_message() -> None:
    broadcast = Broadcast()
    broadcast.publish({"n": 1}, [])
    got = [(await take(broadcast.messages(), 1))[0] for _ in range(3)]
    assert all(one is got[0] for one in got)


async def test_there_is_room_for_so_many_and_a_seat_is_free_again() -> None:
    broadcast = Broadcast(most=2)
    with broadcast.seat(), broadcast.seat():
        with pytest.raises(FullError), broadcast.seat():
            raise AssertionError
        with pytest.raises(FullError), broadcast.seat():
            raise AssertionError
    with broadcast.seat():
        pass
