"""Sends records of front doors: commands, a file's tickets, dead letters. Says so when it has to wait."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

from schemas.errors import RetryableError
from schemas.settings.load import Settings
from streams.kafka.messages import Record
from streams.kafka.producer import Producer
from streams.retries import FOREVER, RetryPolicy, retrying

WaitHook = Callable[[str], None]


class Sender:
    """A producer that waits for Kafka when it is away for a while; an async context manager.

    ``policy`` says for how long; the default never gives up. ``waits`` gets a line when it waits.
    """

    def __init__(
        self, settings: Settings, policy: RetryPolicy = FOREVER, *, waits: WaitHook = lambda _: None
    ) -> None:
        self._policy = policy
        self._on_wait = waits
        self._producer = Producer(settings.cluster, "ticketstream-cli")
        self.partitions = settings.kafka.partitions

    async def __aenter__(self) -> Self:
        await self._producer.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._producer.stop()

    async def send(self, records: Sequence[Record]) -> Mapping[tuple[str, int], int]:
        """Return, when Kafka has acknowledged all, the last offset written for each topic and partition.

        Raises UnavailableError when the policy gives up.
        """
        return await retrying(lambda: self._producer.send(records), self._policy, on_retry=self._waits)

    async def send_once(self, records: Sequence[Record]) -> None:
        """Send without waiting for Kafka; raises UnavailableError when it does not take them."""
        await self._producer.send(records)

    def _waits(self, error: RetryableError, attempt: int, _: float) -> None:
        if attempt in (1, 5, 25):
            self._on_wait(f"{error}; trying again")
