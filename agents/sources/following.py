"""Follows a source, in exactly one worker at a time.

It runs where the account's partition of ``imports.commands`` is, so it moves with that partition (see
agents.sources.live_part). The cursor moves only after Kafka has acknowledged the page.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from agents.app.meter import Meter
from agents.app.tables import Tables
from agents.sources.records import records_of
from schemas.errors import CredentialsError, RefusedError
from schemas.tables import LiveCursor
from schemas.topics import CHANGES
from streams.kafka.partitions import account_partition
from streams.kafka.producer import Producer
from streams.retries import retrying
from streams.sources.base import Source
from streams.telemetry.source_spans import source_spans

if TYPE_CHECKING:
    from streams.telemetry.tracing import Tracing

_LOGIN_AGAIN_SECONDS: Final = 10.0
"""Between two attempts with a login that is refused: live changes go on soon after it is mended."""
_REFUSED_AGAIN_SECONDS: Final = 30.0
_START_BACK_SECONDS: Final = 120
"""Where a first start begins: Zendesk wants a start at least a minute back."""


class Following:
    """Puts what a source tells of an account on ``tickets.changes``; its cursor is in the table ``cursors``.

    The cursor lies under ``name``, and in its partition: that of an account's own export under the account's
    name, that of every further source under one of its own. At the source's end it waits ``poll_seconds``
    before it looks again.
    """

    def __init__(
        self,
        account: str,
        source: Source,
        producer: Producer,
        tables: Tables,
        *,
        partitions: int,
        poll_seconds: float,
        tracing: Tracing | None = None,
        meter: Meter,
        name: str = "",
    ) -> None:
        self._name = name or account
        self._account = account
        self._source = source
        self._producer = producer
        self._tables = tables
        self._partitions = partitions
        self._poll_seconds = poll_seconds
        self._tracing = tracing
        self._meter = meter

    @property
    def home(self) -> int:
        """The partition whose owner follows the source."""
        return account_partition(self._name, self._partitions)

    async def run(self) -> None:
        """Follow the source until cancelled."""
        log = structlog.get_logger().bind(source="live", account=self._account)
        home, key = self.home, self._name.encode()
        known: LiveCursor | None = self._tables["cursors"].get(home, key)
        cursor = known.cursor if known else ""
        since = (known.since if known else 0) or int(time.time()) - _START_BACK_SECONDS
        while True:
            began = time.time()
            try:
                page = await self._source.page(cursor, since)
            except CredentialsError as error:
                log.error("the export is refused", error=error)
                await asyncio.sleep(_LOGIN_AGAIN_SECONDS)
                continue
            except RefusedError as error:
                log.error("the export cannot be read", error=error)
                await asyncio.sleep(max(_REFUSED_AGAIN_SECONDS, self._poll_seconds))
                continue
            records, unreadable = records_of(
                page.items,
                source=self._source.name,
                account=self._account,
                topic=CHANGES,
                partitions=self._partitions,
            )
            cursor = page.cursor
            entry = LiveCursor(cursor, time.time(), 0 if cursor else since)
            with source_spans(self._tracing, "poll", began, records) as traced:
                await retrying(partial(self._producer.send, traced))
            await retrying(partial(self._tables["cursors"].put, home, [(key, entry)]))
            self._meter.live_page(len(records) - unreadable, unreadable)
            if page.ended:
                await asyncio.sleep(self._poll_seconds)
