"""Says on ``workers.states`` what a worker cannot do; the page, the API and the commands read it there.

Only workers ask Zendesk all the time, so only they know: no front door has to ask Zendesk by itself why
nothing goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from agents.app.part import Part
from schemas.codec import encode, headers_of
from schemas.errors import UnavailableError
from schemas.messages.workers import Trouble, WorkerState
from schemas.topics import WORKER_STATES
from streams.kafka.messages import Record
from streams.kafka.partitions import account_partition
from streams.kafka.producer import Producer

_LOOK_SECONDS: Final = 1.0
SAID_AGAIN_SECONDS: Final = 20.0
"""A killed worker takes nothing back, so readers ignore a state that was not sent again for a minute."""


class StateTeller(Part):
    """Sends the worker's state when it changes, and again every now and then while something is wrong."""

    def __init__(
        self,
        producer: Producer,
        now: Callable[[], Sequence[Trouble]],
        *,
        worker: str,
        account: str,
        partitions: int,
    ) -> None:
        self._producer = producer
        self._now = now
        self._worker = worker
        self._account = account
        self._home = account_partition(account, partitions)
        self._told: list[tuple[str, float]] | None = None
        self._told_at = 0.0
        self._failed = False

    async def run(self) -> None:
        """Look and tell for ever."""
        while True:
            await self.look(time.time())
            await asyncio.sleep(_LOOK_SECONDS)

    async def look(self, at: float) -> None:
        """Tell the state of a moment (Unix seconds), if it is news."""
        troubles = list(self._now())
        told: list[tuple[str, float]] = [(trouble.kind, trouble.since) for trouble in troubles]
        if told == self._told and not (troubles and at - self._told_at >= SAID_AGAIN_SECONDS):
            return
        try:
            await self._send(WorkerState(worker=self._worker, at=at, troubles=troubles))
        except UnavailableError as error:
            # A rebalance, and so every start, drops records that have not left; the next look sends the state
            # again. Only a second failure in a row is logged.
            if self._failed:
                structlog.get_logger().warning("the worker's state is not told", error=error)
            self._failed = True
            return
        self._told, self._told_at, self._failed = told, at, False

    async def tell(self) -> None:
        """Say that this worker stops: nothing is wrong with it any more."""
        if self._told:
            await self._send(WorkerState(worker=self._worker, at=time.time()))

    async def _send(self, state: WorkerState) -> None:
        key = f"{self._account}:{self._worker}".encode()
        await self._producer.send([Record(WORKER_STATES, self._home, key, encode(state), headers_of(state))])
