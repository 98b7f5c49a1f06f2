"""A worker's membership of its group: its thread, its signs of life, and how it joins again."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any, Final

import structlog
from aiokafka.errors import GroupLoadInProgressError, KafkaError, NoError, RebalanceInProgressError
from aiokafka.protocol.group import HeartbeatRequest, LeaveGroupRequest, SyncGroupRequest
from faust.transport.drivers import aiokafka as driver

from agents.app.fetching import FETCH_MIN_BYTES, FETCH_WAIT_MS, fit_waits
from streams.kafka.client import keep_metadata
from streams.kafka.lease import Lease

_JOIN_AGAIN_SECONDS: Final = 1.0
_SIGNS_OF_LIFE: Final = (HeartbeatRequest, SyncGroupRequest)
_ACCEPTED: Final = frozenset({NoError.errno, RebalanceInProgressError.errno})


class GroupThread(driver.AIOKafkaConsumerThread):
    _left = False

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        consumer._fetch_min_bytes = FETCH_MIN_BYTES
        keep_metadata(consumer._client)
        return consumer

    async def on_start(self) -> None:
        await super().on_start()
        consumer = self._ensure_consumer()
        consumer._fetcher._prefetch_backoff = 0
        fit_waits(consumer._fetcher)
        coordinator = consumer._coordinator
        watch_membership(coordinator, self.transport.lease)
        coordinator._push_error_to_user = partial(join_again, coordinator)

    async def leave(self) -> None:
        """Leave the group, so that other workers get the partitions at once.

        By itself a static member never leaves: its partitions would wait until its session ends.
        """
        await self.call_thread(self._leave)

    async def _leave(self) -> None:
        self._left = True
        consumer = self._ensure_consumer()
        coordinator = consumer._coordinator
        coordinator._group_instance_id = None
        await asyncio.gather(coordinator.close(), self._take_leave(coordinator, consumer._client))

    async def _take_leave(self, coordinator: Any, client: Any) -> None:
        """Send the request to leave by itself, on a connection that is not the coordinator's.

        Closing the coordinator waits for a rebalance under way, which may wait for a worker that starts.
        Until that rebalance ends, the broker answers nothing on the coordinator's connection either.
        """
        if coordinator.generation <= 0 or coordinator.coordinator_id is None:
            return
        request = LeaveGroupRequest(coordinator.group_id, coordinator.member_id)
        try:
            await client.send(coordinator.coordinator_id, request)
        except KafkaError as error:
            structlog.get_logger().warning("the group hears of the end by its session only", error=error)

    def close(self) -> None:
        """Stop taking part in the group: a rebalance has begun while the app is stopping.

        Faust's own ``close`` also closes the connections, from the app's thread, while the consumer's thread
        may be reading from them: uvloop then calls a null pointer, and the process dies (SIGSEGV). Here they
        stay open until the thread stops: offsets are still to be committed, and the group to be left.
        """
        if self._consumer is not None:
            asyncio.run_coroutine_threadsafe(self._consumer._coordinator.close(), self.thread_loop)

    async def commit(self, offsets: Any) -> bool:
        # Faust commits once more when it stops; a worker that has left the group may not commit.
        return False if self._left else await super().commit(offsets)

    async def seek_to_committed(self) -> Any:
        return await self.call_thread(self._seek_back)

    async def _seek_back(self) -> Any:
        consumer = self._ensure_consumer()
        committed = await consumer.seek_to_committed()
        never = [
            tp
            for tp, offset in committed.items()
            if (offset is None or offset <= 0) and not self.consumer._is_changelog_tp(tp)
        ]
        if never:
            await consumer.seek_to_beginning(*never)
        return committed


def watch_membership(coordinator: Any, lease: Lease) -> None:
    """Renew the lease with every heartbeat and every joining of the group that the broker accepts."""
    send, forget = coordinator._send_req, coordinator.reset_generation

    async def noted(request: Any) -> Any:
        started = time.monotonic()
        response = await send(request)
        if isinstance(request, HeartbeatRequest) and response.error_code == GroupLoadInProgressError.errno:
            # A broker that has just started reads its groups first, and refuses heartbeats meanwhile. If the
            # error is raised, aiokafka sends the next heartbeat; if it is returned, aiokafka sends no more.
            raise GroupLoadInProgressError
        # During a rebalance the broker still counts this worker as a member.
        if isinstance(request, _SIGNS_OF_LIFE) and response.error_code in _ACCEPTED:
            lease.renew(started)
        return response

    def forgotten(*args: Any, **kwargs: Any) -> Any:
        lease.drop()
        return forget(*args, **kwargs)

    coordinator._send_req, coordinator.reset_generation = noted, forgotten


async def join_again(coordinator: Any, error: BaseException) -> None:
    """Join the group again after an error that aiokafka leaves to its user.

    aiokafka waits for a call of the consumer in which to raise the error. Faust makes none of these calls, so
    the worker would go on reading for ever, without heartbeats or commits.
    """
    structlog.get_logger().error("the group is joined again", error=error)
    await asyncio.sleep(_JOIN_AGAIN_SECONDS)
    coordinator.request_rejoin()
