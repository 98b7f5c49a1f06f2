"""Puts hints on ``tickets.changes``; lives without Kafka, and with it again."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog

from schemas.codec import encode, headers_of
from schemas.errors import SettingsError, UnavailableError
from schemas.ids import ticket_key
from schemas.messages.tickets import TicketHint
from schemas.settings.load import Settings
from schemas.topics import CHANGES
from streams.kafka.messages import Record
from streams.kafka.partitions import partition_of
from streams.kafka.producer import Producer
from streams.kafka.topics import ensure_topics
from streams.telemetry.log_errors import described
from streams.telemetry.source_spans import source_spans

if TYPE_CHECKING:
    from streams.telemetry.tracing import Tracing

_AGAIN_SECONDS: Final = 1.0
_WRONG_SECONDS: Final = 10.0


class HintSender:
    """Sends hints, each acknowledged by Kafka within ``seconds`` or given up.

    It connects in the background, for as long as that takes, and anew when its producer broke.
    """

    def __init__(self, settings: Settings, *, seconds: float = 3.0, tracing: Tracing | None = None) -> None:
        self._settings = settings
        self._seconds = seconds
        self._tracing = tracing
        self._producer: Producer | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self._failed = False

    @property
    def reachable(self) -> bool:
        """Whether Kafka took the last hint; before the first, whether there is a connection."""
        return self._producer is not None and not self._failed

    def start(self) -> None:
        """Begin to connect."""
        self._connecting = asyncio.create_task(self._connect())

    async def stop(self) -> None:
        """Disconnect; what is not acknowledged by then has been answered with an error."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        if self._producer is not None:
            self._leave(self._producer)
            self._producer = None
        if self._leaving:
            await asyncio.wait(self._leaving)

    async def send(self, hint: TicketHint) -> None:
        """Return when Kafka has acknowledged the hint; raises UnavailableError when it did not.

        A hint that was given up may arrive all the same, which costs a look at Zendesk and no more.
        """
        producer = self._producer
        if producer is None:
            raise UnavailableError("Kafka cannot be reached")
        key = ticket_key(hint.account, hint.ticket_id)
        partition = partition_of(key, self._settings.kafka.partitions)
        record = Record(CHANGES, partition, key, encode(hint), headers_of(hint))
        try:
            async with asyncio.timeout(self._seconds):
                with source_spans(self._tracing, "webhook", time.time(), [record]) as traced:
                    await producer.send(traced)
        except TimeoutError:
            self._failed = True
            raise UnavailableError(f"Kafka did not take the hint within {self._seconds:g} s") from None
        except UnavailableError:
            self._failed = True
            if self._producer is producer:
                self._producer = None
                self._leave(producer)
                self.start()
            raise
        self._failed = False

    async def _connect(self) -> None:
        log = structlog.get_logger()
        told = ""
        while True:
            producer = Producer(self._settings.cluster, "ticketstream-serve")
            wait = _AGAIN_SECONDS
            try:
                await ensure_topics(self._settings)
                await producer.start()
            except UnavailableError as error:
                reason = described(error)
            except SettingsError as error:
                reason, wait = described(error), _WRONG_SECONDS
            except Exception as error:  # or nobody would try again
                reason, wait = described(error), _WRONG_SECONDS
            else:
                self._producer, self._failed = producer, False
                return
            if reason != told:
                log.warning("webhooks cannot be taken", reason=reason)
                told = reason
            await asyncio.sleep(wait)

    def _leave(self, producer: Producer) -> None:
        async def leave() -> None:
            with suppress(Exception):
                async with asyncio.timeout(1.0):
                    await producer.stop()

        task = asyncio.create_task(leave())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
