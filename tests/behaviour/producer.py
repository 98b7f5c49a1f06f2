"""What a producer promises, in memory and on a broker."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import pytest

from schemas.errors import UnavailableError
from streams.kafka.messages import Record
from streams.kafka.topics import DEAD_LETTER_MAX_BYTES


class Sends(Protocol):
    """What is asked of a producer."""

    async def send(self, records: Iterable[Record]) -> dict[tuple[str, int], int]:
        """Send all; return the last offset written for each topic and partition."""


class ProducerBehaviour(ABC):
    """Whoever inherits it has a fixture ``producer``, and two topics of three partitions for it."""

    topics = ("behaviour.one", "behaviour.two")

    @abstractmethod
    def away(self) -> AbstractAsyncContextManager[None]:
        """Have Kafka be away meanwhile."""

    @abstractmethod
    async def lying_on(self, topic: str, partition: int) -> list[Record]:
        """Return what lies in a partition, in order; headers as a list of pairs."""

    async def test_it_returns_the_last_offset_of_each_topic_and_partition(self, producer: Sends) -> None:
        one, two = self.topics
        places = [(one, 0), (one, 1), (two, 0)]
        before = await producer.send([Record(*place, b"k", b"first") for place in places])
        assert set(before) == set(places)
        counts = {(one, 0): 3, (one, 1): 1, (two, 0): 40}
        records = [Record(*place, b"k", b"v") for place, count in counts.items() for _ in range(count)]
        after = await producer.send(records[::-1])
        assert after == {place: before[place] + count for place, count in counts.items()}

    async def test_a_partition_has_what_was_sent_in_its_order(self, producer: Sends) -> None:
        one, two = self.topics
        values = [b"%d" % number for number in range(100)]
        (last,) = set((await producer.send([Record(one, 2, b"k", b"before")])).values())
        await producer.send(
            [Record((one, two)[number % 2], 2, b"k", value) for number, value in enumerate(values)]
        )
        await producer.send([Record(one, 2, b"k", b"after")])
        lying = [record.value for record in await self.lying_on(one, 2)]
        assert lying[last:] == [b"before", *values[::2], b"after"]
        assert [record.value for record in await self.lying_on(two, 2)][-50:] == values[1::2]

    async def test_a_record_lies_there_as_it_was_given(self, producer: Sends) -> None:
        one, _ = self.topics
        headers = [("schema", b"x"), ("twice", b"1"), ("twice", b""), ("ü", b"\xff")]
        records = [
            Record(one, 1, b"\x00\xff", b"v" * 100_000, headers),
            Record(one, 1, b"tombstone", None),
            Record(one, 1, None, b""),
        ]
        await producer.send(records)
        await producer.send([records[0]])
        wanted = [record._replace(headers=list(record.headers)) for record in (*records, records[0])]
        assert (await self.lying_on(one, 1))[-4:] == wanted

    async def test_nothing_to_send_gives_nothing(self, producer: Sends) -> None:
        assert await producer.send([]) == {}
        assert await producer.send(iter(())) == {}

    async def test_what_the_broker_did_not_take_can_be_sent_again(self, producer: Sends) -> None:
        record = Record(self.topics[1], 1, b"k", b"once")
        async with self.away():
            with pytest.raises(UnavailableError):
                await producer.send([record, record])
        last = await producer.send([record])
        assert last[record.topic, 1] == (await producer.send([record]))[record.topic, 1] - 1
        assert [found.value for found in await self.lying_on(record.topic, 1)] == [b"once"] * 2

    @pytest.mark.parametrize("count", [1, 2])
    async def test_what_is_too_large_for_any_topic_is_refused_and_what_follows_is_not(
        self, producer: Sends, count: int
    ) -> None:
        topic = self.topics[1]
        with pytest.raises(UnavailableError):
            await producer.send([Record(topic, 0, b"k", b"v" * (DEAD_LETTER_MAX_BYTES + 1))] * count)
        await producer.send([Record(topic, 0, b"k", b"next")])
        assert (await self.lying_on(topic, 0))[-1].value == b"next"
