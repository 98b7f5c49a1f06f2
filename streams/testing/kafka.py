"""Kafka in memory: a producer, and a reader of what it was given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from typing import Any

from schemas.codec import SCHEMAS, decode
from schemas.errors import UnavailableError
from schemas.ids import digest
from schemas.parts import Parts
from streams.kafka.messages import Record
from streams.kafka.part_reader import PartsMissingError
from streams.kafka.topics import DEAD_LETTER_MAX_BYTES


class InMemoryProducer:
    """Keeps what is sent, in order, and numbers it as a broker would whose topics were empty.

    Unlike the real one it is always started, a call that fails has sent nothing, and all topics take messages
    as large as dead letters. The next ``failures`` calls raise UnavailableError; while ``gate`` is cleared,
    calls wait. ``log`` is told of each call, in the order in which it and others are.
    """

    def __init__(self, log: list[Any] | None = None) -> None:
        self.sent: list[Record] = []
        self.heads: dict[tuple[str, int], int] = {}
        self.failures = 0
        self.calls = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self._log = log

    async def send(self, records: Iterable[Record]) -> dict[tuple[str, int], int]:
        """Keep all; return the last offset written for each topic and partition.

        Raises UnavailableError while ``failures`` says so.
        """
        records = list(records)
        self.calls += 1
        await self.gate.wait()
        if self.failures:
            self.failures -= 1
            raise UnavailableError("Kafka is away")
        if any(len(record.value or b"") > DEAD_LETTER_MAX_BYTES for record in records):
            raise UnavailableError("Kafka did not take a message: it is too large")
        last: dict[tuple[str, int], int] = {}
        for record in records:
            place = (record.topic, record.partition)
            self.sent.append(record)
            last[place] = self.heads.get(place, 0)
            self.heads[place] = last[place] + 1
        if self._log is not None and records:
            self._log.append(("sent", [record.value for record in records]))
        return last

    def on(self, topic: str) -> list[Record]:
        """Return what was sent to a topic."""
        return [record for record in self.sent if record.topic == topic]

    def messages(self, kind: type[Any]) -> list[Any]:
        """Return the sent messages of a type, decoded."""
        name = SCHEMAS[kind].encode()
        return [
            decode(kind, record.value, record.headers)
            for record in self.sent
            if dict(record.headers).get("schema") == name
        ]


class InMemoryParts:
    """Reads parts back from what an InMemoryProducer was given, as PartReader does from their topic.

    It finds a part by the digest of its value, wherever it lies; those in ``lost`` are not there any more.
    """

    def __init__(self, producer: InMemoryProducer) -> None:
        self._producer = producer
        self.lost: set[str] = set()

    async def read(
        self, topic: str, partition: int, key: bytes, parts: Parts, start: int = 0
    ) -> AsyncGenerator[bytes, None]:
        """Yield the values of a ticket's parts from number ``start`` on; raises PartsMissingError."""
        values = {digest(one.value or b""): one.value for one in self._producer.on(topic)}
        for ref in parts.refs[start:]:
            value = None if ref.digest in self.lost else values.get(ref.digest)
            if value is None:
                raise PartsMissingError("lost")
            yield value
