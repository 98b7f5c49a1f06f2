"""aiokafka's producer, which asks the lease right before a request goes out.

It gathers records for some milliseconds and sends failed ones again by itself: asked any earlier, the
lease could have ended by the time they leave.
"""

from __future__ import annotations

from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import ProducerFenced
from aiokafka.protocol.produce import ProduceRequest

from agents.kafka_client import keep_metadata
from agents.lease import Lease


class LeasedProducer(AIOKafkaProducer):
    """Holds its requests back while ``lease``, if there is one, is not held.

    Once ``dropped`` is set nothing leaves any more: what waits fails with ProducerFenced.
    """

    def __init__(self, lease: Lease | None, **settings: Any) -> None:
        super().__init__(**settings)
        self.dropped = False
        self._lease = lease
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
