"""Sends commands and a file's tickets to Kafka, and says so when it has to wait."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from agents.producer import Producer, Record
from schemas.errors import RetryableError
from schemas.imports import ImportCommand
from schemas.settings import Settings
from streams.retries import FOREVER, RetryPolicy, retrying
from ticketstream.cli.output import note
from ticketstream.records.commands import command_record


class Sender:
    """A producer that waits for Kafka when it is away for a while; an async context manager.

    ``policy`` says for how long; the default never gives up.
    """

    def __init__(self, settings: Settings, policy: RetryPolicy = FOREVER) -> None:
        self._policy = policy
        self._producer = Producer(settings.bootstrap_servers, "ticketstream-cli")
        self._partitions = settings.kafka.partitions

    async def __aenter__(self) -> Self:
        await self._producer.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._producer.stop()

    async def send(self, records: Sequence[Record]) -> None:
        """Return when Kafka has acknowledged all; raises UnavailableError when the policy gives up."""
        await retrying(lambda: self._producer.send(records), self._policy, on_retry=_told)

    async def command(self, command: ImportCommand) -> None:
        """Send one command; raises UnavailableError when Kafka does not take it."""
        await self._producer.send([command_record(command, self._partitions)])


def _told(error: RetryableError, attempt: int, wait: float) -> None:
    if attempt in (1, 5, 25):
        note(f"{error}; trying again")
