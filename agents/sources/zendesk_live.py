"""The live source: follows Zendesk's export, in exactly one worker at a time.

It runs where the account's partition of ``imports.commands`` is, so it moves with that partition.
The cursor moves only after Kafka has acknowledged the page.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

import structlog

from agents.app.meter import Meter
from agents.app.tables import Tables
from agents.sources.export_records import page_records
from schemas.errors import CredentialsError, RefusedError
from schemas.settings.zendesk import ZendeskSettings
from schemas.tables import LiveCursor
from schemas.topics import CHANGES
from streams.kafka.partitions import account_partition
from streams.kafka.producer import Producer
from streams.retries import retrying
from streams.sources.zendesk.client import ZendeskClient
from streams.sources.zendesk.export import export_page
from streams.telemetry.source_spans import sourced

if TYPE_CHECKING:
    from streams.telemetry.tracing import Tracing

_AGAIN_SECONDS = 10.0
"""Between two tries with a login that is refused: live changes go on soon after it is mended."""
_START_BACK_SECONDS = 120
"""Where a first start begins: Zendesk wants a start at least a minute back."""


def polling_pause(settings: ZendeskSettings) -> float:
    """Return the seconds between two looks at the export: so many that imports get half of it."""
    return max(settings.poll_seconds, 2 * 60 / settings.incremental_requests_per_minute)


class LiveSource:
    """Polls the cursor export and puts what changed on ``tickets.changes``."""

    def __init__(
        self,
        account: str,
        client: ZendeskClient,
        producer: Producer,
        tables: Tables,
        *,
        partitions: int,
        poll_seconds: float,
        tracing: Tracing | None = None,
        meter: Meter,
    ) -> None:
        self._account = account
        self._client = client
        self._producer = producer
        self._tables = tables
        self._partitions = partitions
        self._poll_seconds = poll_seconds
        self._tracing = tracing
        self._meter = meter

    async def run(self) -> None:
        """Follow the export until cancelled."""
        log = structlog.get_logger().bind(source="live", account=self._account)
        home = account_partition(self._account, self._partitions)
        key = self._account.encode()
        known: LiveCursor | None = self._tables["cursors"].get(home, key)
        cursor = (known.cursor or None) if known else None
        start = (known.since if known else 0) or int(time.time()) - _START_BACK_SECONDS
        while True:
            began = time.time()
            try:
                page = await export_page(
                    self._client, start_time=None if cursor else start, cursor=cursor, lane="live"
                )
            except CredentialsError as error:
                log.error("the export is refused", error=error)
                await asyncio.sleep(_AGAIN_SECONDS)
                continue
            except RefusedError as error:
                log.error("the export cannot be read", error=error)
                await asyncio.sleep(max(30.0, self._poll_seconds))
                continue
            records, unreadable = page_records(
                page.tickets,
                account=self._account,
                topic=CHANGES,
                source="live",
                partitions=self._partitions,
            )
            cursor = page.after_cursor
            entry = LiveCursor(cursor or "", time.time(), 0 if cursor else start)
            with sourced(self._tracing, "poll", began, records) as traced:
                await retrying(partial(self._producer.send, traced))
            await retrying(partial(self._tables["cursors"].put, home, [(key, entry)]))
            self._meter.live_page(len(records) - unreadable, unreadable)
            if page.end_of_stream:
                await asyncio.sleep(self._poll_seconds)
