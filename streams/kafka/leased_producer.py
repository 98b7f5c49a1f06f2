"""aiokafka's producer, which asks the lease right before a request goes out.

It gathers records for some milliseconds and sends failed ones again by itself: asked any earlier, the
lease could have ended by the time they leave.
"""

from __future__ import annotations

import math
from itertools import chain
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import ProducerClosed, ProducerFenced
from aiokafka.protocol.produce import ProduceRequest

from streams.kafka.client import keep_metadata
from streams.kafka.lease import Lease


class LeasedProducer(AIOKafkaProducer):
    """Holds its requests back while ``lease``, if there is one, is not held.

    With a lease records wait for Kafka for as long as it is away; without one they fail after the
    request's time. Once ``dropped`` is set nothing leaves any more: what waits fails with ProducerFenced.
    """

    def __init__(self, lease: Lease | None, **settings: Any) -> None:
        super().__init__(**settings)
        self.dropped = False
        self._lease = lease
        if lease is not None:
            # aiokafka gives up a batch that has no leader for that long, and with it numbers that Kafka waits
            # for: it would refuse all that follows in the partition.
            self._message_accumulator._batch_ttl = math.inf
        keep_metadata(self.client)
        self._send_request = self.client.send
        self.client.send = self._send_if_ours

    async def _send_if_ours(self, node_id: int, request: Any, **how: Any) -> Any:
        if isinstance(request, ProduceRequest):
            if self._lease is not None:
                await self._lease.wait(unless=lambda: self.dropped)
            if self.dropped:
                raise ProducerFenced
        return await self._send_request(node_id, request, **how)

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> Any:
        """Take in a batch; returns the future of its delivery. Raises ProducerClosed when it came too late.

        aiokafka (0.14.0) looks whether it is closed only before it waits for the batch ahead in the
        partition. What it takes in after that is never sent, and its future is never done: whoever waits for
        it, waits for ever.
        """
        future = await super().send_batch(batch, topic, partition=partition)
        if self._message_accumulator._closed:
            raise ProducerClosed
        return future

    async def give_up(self) -> None:
        """Fail what is left with ProducerFenced and disconnect; for one whose ``stop`` takes too long."""
        accumulator = self._message_accumulator
        for batch in [*chain(*accumulator._batches.values()), *accumulator._pending_batches]:
            batch.failure(ProducerFenced())
        self._sender.sender_task.cancel()
        await self.client.close()
