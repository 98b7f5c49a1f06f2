"""Order: work finishes in any order, it leaves in the order it came."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.engine.outcomes import Outcome
from agents.engine.partition_queue import PartitionQueue, Queued
from agents.testing import InMemoryEvent
from streams.kafka.messages import Incoming
from streams.testing import settle
from tests.shared_fixtures import QUICK

KEYS = st.sampled_from([b"a", b"b", b"c", None])


def slot(offset: int, key: bytes | None = b"a") -> Queued:
    return Queued(InMemoryEvent(offset), Incoming("t", 0, offset, key, b"", ()))


@QUICK
@given(st.lists(KEYS, min_size=1, max_size=12), st.randoms(), st.integers(1, 5))
def test_whatever_finishes_first_the_oldest_leaves_first(keys: list, random: object, at_most: int) -> None:
    async def play() -> None:
        lane = PartitionQueue()
        slots = [slot(offset, key) for offset, key in enumerate(keys)]
        waits_for = {one: lane.add(one) for one in slots}
        left: list[Queued] = []
        order = slots.copy()
        random.shuffle(order)  # type: ignore[attr-defined]
        for finished in order:
            lane.finish(finished, Outcome("sent"))
            while len(left) < len(slots) and slots[len(left)].done is not None:
                prefix = await lane.finished(at_most, 60)
                # Always the contiguous prefix, in the order of arrival, never more than asked for.
                assert prefix == slots[len(left) : len(left) + len(prefix)]
                assert 1 <= len(prefix) <= at_most
                assert all(one.done is not None for one in prefix)
                if len(prefix) < at_most and len(left) + len(prefix) < len(slots):
                    assert slots[len(left) + len(prefix)].done is None
                assert not any(one.settled.is_set() for one in prefix)
                assert lane.leading(prefix) == prefix
                lane.settle(prefix)
                lane.acknowledged(prefix)
                left += prefix
            assert len(lane) == lane.unsettled == len(slots) - len(left)
        assert left == slots
        assert all(one.settled.is_set() for one in slots)
        for index, one in enumerate(slots):
            # Each message waits for the one before it with the same key, and for nothing else.
            same = [before for before in slots[:index] if before.message.key == one.message.key]
            expected = same[-1] if same and one.message.key is not None else None
            assert waits_for[one] is expected

    asyncio.run(play())


async def test_the_prefix_is_awaited() -> None:
    lane = PartitionQueue()
    waiting = asyncio.create_task(lane.finished(10, 60))
    await settle()
    assert not waiting.done()  # an empty lane
    first, second = slot(0), slot(1)
    lane.add(first)
    lane.add(second)
    lane.finish(second, Outcome("sent"))
    await settle()
    assert not waiting.done()  # the oldest is still at work
    lane.finish(first, Outcome("sent"))
    assert await waiting == [first, second]
    assert len(lane) == 2  # they stay until they are released


@QUICK
@given(st.lists(KEYS, min_size=1, max_size=12), st.randoms(), st.data())
def test_behind_a_slow_message_others_are_settled_but_those_of_a_key_in_order(
    keys: list, random: object, data: st.DataObject
) -> None:
    async def play() -> None:
        lane = PartitionQueue()
        slots = [slot(offset, key) for offset, key in enumerate(keys)]
        for one in slots:
            lane.add(one)
        settled: list[Queued] = []
        acknowledged: list[Queued] = []
        order = slots.copy()
        random.shuffle(order)  # type: ignore[attr-defined]
        for index, finished in enumerate(order):
            lane.finish(finished, Outcome("sent"))
            if index < len(order) - 1 and data.draw(st.booleans()):
                continue
            while True:
                try:
                    async with asyncio.timeout(0.01):
                        ready = await lane.finished(5, 0)
                except TimeoutError:
                    break
                leading = lane.leading(ready)
                lane.settle(ready)
                lane.acknowledged(leading)
                settled += ready
                acknowledged += leading
            for one in slots:  # all that has finished is settled, but for what waits for its key
                earlier = [
                    before for before in slots[: slots.index(one)] if before.message.key == one.message.key
                ]
                free = one.message.key is None or all(before.done is not None for before in earlier)
                assert one.settled.is_set() == (one.done is not None and free)
        assert acknowledged == slots
        for key in {one.message.key for one in slots} - {None}:
            of_key = [one for one in settled if one.message.key == key]
            assert of_key == sorted(of_key, key=lambda one: one.message.offset)

    asyncio.run(play())


def test_a_settled_message_holds_nobody_up() -> None:
    lane = PartitionQueue()
    first, second = slot(0), slot(1)
    assert lane.add(first) is None
    lane.finish(first, Outcome("sent"))
    lane.settle([first])
    assert lane.add(second) is None


def test_an_acknowledgement_out_of_order_is_an_error() -> None:
    lane = PartitionQueue()
    first, second = slot(0), slot(1)
    lane.add(first)
    lane.add(second)
    lane.finish(second, Outcome("sent"))
    lane.settle([second])
    with pytest.raises(RuntimeError, match="settled once"):
        lane.settle([second])
    with pytest.raises(RuntimeError, match="in the order they came"):
        lane.acknowledged([second])


def test_abandoning_releases_nobody() -> None:
    lane = PartitionQueue()
    slots = [slot(0), slot(1)]
    for one in slots:
        lane.add(one)
    assert lane.abandon() == slots
    assert len(lane) == 0
    assert not any(one.settled.is_set() for one in slots)
    assert lane.add(slot(2)) is None
