"""The one producer of a worker: what it sends is on the broker when the call returns."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from agents.topics import DEAD_LETTER_MAX_BYTES
from schemas.errors import UnavailableError


class Record(NamedTuple):
    """A message to send; the partition is always named, so that nobody's partitioner decides."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


class Producer:
    """Sends records and waits for the broker's word (acks from all replicas, idempotent).

    ``heads`` holds, for each topic and partition sent to, the offset after the last record.
    """

    def __init__(self, bootstrap_servers: str, client_id: str) -> None:
        self.heads: dict[tuple[str, int], int] = {}
        self._servers = bootstrap_servers
        self._client_id = client_id
        self._client: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect; raises UnavailableError when Kafka is away."""
        client = AIOKafkaProducer(
            bootstrap_servers=self._servers,
            client_id=self._client_id,
            acks="all",
            enable_idempotence=True,
            linger_ms=10,
            max_batch_size=512 * 1024,
            max_request_size=DEAD_LETTER_MAX_BYTES,
            request_timeout_ms=30_000,
        )
        try:
            await client.start()
        except (KafkaError, OSError) as error:
            await client.stop()
            raise UnavailableError(f"Kafka at {self._servers} cannot be reached: {error}") from error
        self._client = client

    async def stop(self) -> None:
        """Flush and disconnect."""
        if self._client is not None:
            await self._client.stop()
            self._client = None

    async def send(self, records: Iterable[Record]) -> dict[tuple[str, int], int]:
        """Send all and wait until the broker has acknowledged each.

        Returns the last offset written for each topic and partition. Raises UnavailableError when
        the broker did not acknowledge; some records may then be on it all the same.
        """
        if self._client is None:
            raise UnavailableError("the producer is not started")
        try:
            futures = [
                await self._client.send(
                    record.topic,
                    value=record.value,
                    key=record.key,
                    partition=record.partition,
                    headers=list(record.headers),
                )
                for record in records
            ]
            results = await asyncio.gather(*futures)
        except (KafkaError, OSError) as error:
            raise UnavailableError(f"Kafka did not take a message: {error!r}") from error
        last: dict[tuple[str, int], int] = {}
        for done in results:
            last[done.topic, done.partition] = max(done.offset, last.get((done.topic, done.partition), -1))
        for place, offset in last.items():
            self.heads[place] = max(offset + 1, self.heads.get(place, 0))
        return last
