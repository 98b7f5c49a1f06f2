"""The one producer of a worker: what it sends is on the broker when the call returns."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

import structlog
from aiokafka.errors import BrokerResponseError, KafkaError

from schemas.cluster import Cluster
from schemas.errors import UnavailableError
from streams.kafka import clients
from streams.kafka.lease import Lease
from streams.kafka.leased_producer import LeasedProducer
from streams.kafka.messages import Record
from streams.kafka.positions import Positions
from streams.kafka.topics import DEAD_LETTER_MAX_BYTES

BATCH_LEAVES_AT: Final = 32
"""So many records for one place need not wait for company."""
_STOP_SECONDS = 30.0


class Producer:
    """Sends records and waits for the broker's word (acks from all replicas, idempotent).

    ``positions`` hears of what is sent. Nothing leaves while ``lease``, if one is given, is not held.
    """

    def __init__(
        self,
        cluster: Cluster,
        client_id: str,
        lease: Lease | None = None,
        positions: Positions | None = None,
    ) -> None:
        self._positions = Positions() if positions is None else positions
        self._cluster = cluster
        self._client_id = client_id
        self._lease = lease
        self._client: LeasedProducer | None = None
        self._started = False
        self._connecting = asyncio.Lock()
        self._dropped: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Connect; raises UnavailableError when Kafka is away."""
        client = clients.leased_producer(
            self._cluster,
            self._lease,
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
            raise UnavailableError(f"Kafka at {self._cluster} cannot be reached: {error}") from error
        self._client = client
        self._started = True

    async def stop(self) -> None:
        """Flush and disconnect."""
        self._started = False
        client, self._client = self._client, None
        if client is not None:
            await _stopped(client)

    async def flush(self, timeout: float) -> None:
        """Wait at most so many seconds until what has been given to ``send`` has left."""
        if self._client is not None:
            with suppress(TimeoutError, KafkaError):
                await asyncio.wait_for(self._client.flush(), timeout)

    def drop(self) -> None:
        """Forget what has not left yet: it will never be sent. The next ``send`` connects anew."""
        client, self._client = self._client, None
        if client is not None:
            client.dropped = True
            task = asyncio.create_task(_stopped(client))
            self._dropped.add(task)
            task.add_done_callback(self._dropped.discard)

    async def send(self, records: Iterable[Record]) -> dict[tuple[str, int], int]:
        """Send all and wait until the broker has acknowledged each.

        Returns the last offset written for each topic and partition. Raises UnavailableError when
        the broker did not acknowledge; some records may then be on it all the same.
        """
        client = self._client or await self._connected()
        places: defaultdict[tuple[str, int], list[Record]] = defaultdict(list)
        for record in records:
            places[record.topic, record.partition].append(record)
        try:
            sent = [_sent(client, place, own) for place, own in places.items()]
            offsets = await asyncio.gather(*sent) if len(sent) > 1 else [await each for each in sent]
        except (KafkaError, OSError) as error:
            if isinstance(error, BrokerResponseError) and not error.retriable:
                await self._replace(client)
            raise UnavailableError(f"Kafka did not take a message: {error!r}") from error
        last = dict(zip(places, offsets, strict=True))
        for place, offset in last.items():
            self._positions.note_sent(place, offset)
        return last

    async def _replace(self, client: LeasedProducer) -> None:
        """Give up a client of which the broker has refused a batch.

        Its sequence numbers are used up with the batch: the broker would refuse all that follows in that
        partition, for ever. What it still holds fails like the batch did, before the next one connects.
        """
        async with self._connecting:
            if self._client is client:
                self._client = None
                client.dropped = True
                await _stopped(client)

    async def _connected(self) -> LeasedProducer:
        async with self._connecting:
            if self._started and self._client is None:
                await self.start()
        if self._client is None:
            raise UnavailableError("the producer is not started")
        return self._client


async def _sent(client: LeasedProducer, place: tuple[str, int], records: Sequence[Record]) -> int:
    """Send what goes to one topic and partition, in order; returns the offset of the last."""
    topic, partition = place
    if len(records) == 1:
        # It joins a batch that waits already, where a batch of its own would have to wait for that to leave.
        (one,) = records
        future = await client.send(
            topic, value=one.value, key=one.key, partition=partition, headers=list(one.headers)
        )
        done = await future
        return int(done.offset)
    # Given one by one, each would have a future and a turn of its own: 20 times the processor time.
    left = deque(records)
    last = -1
    while left:
        batch = client.create_batch()
        count = 0
        while left and _added(batch, left[0]):
            left.popleft()
            count += 1
        if count >= BATCH_LEAVES_AT:
            batch.close()  # aiokafka's word for: do not wait, take in nothing more
        future = await client.send_batch(batch, topic, partition=partition)
        done = await future
        last = int(done.offset) + count - 1  # its offset is that of the batch's first
    return last


def _added(batch: Any, record: Record) -> bool:
    """Add a record to a batch unless it is full; the first of a batch always fits."""
    added = batch.append(timestamp=None, key=record.key, value=record.value, headers=list(record.headers))
    return added is not None


async def _stopped(client: LeasedProducer) -> None:
    """Flush and disconnect, however it ends: what has not left in time is given up."""
    try:
        await asyncio.wait_for(client.stop(), _STOP_SECONDS)
    except TimeoutError:
        await client.give_up()
    except Exception as error:
        structlog.get_logger().warning("a producer did not end well", error=error)
