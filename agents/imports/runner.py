"""Runs one import: feeds the export to the backfill lane, then waits until all of it is indexed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import structlog

from agents.app.meter import Meter
from agents.engine.refused_logins import until_accepted
from agents.imports.bulk_comments import BulkComments
from agents.imports.owner import Running, Save
from agents.replays.feed import ReplayFeed, waits
from agents.replays.rebuild import Rebuild
from agents.sources.records import records_of
from agents.tickets.enrich.held_comments import forget_comments_records as records_that_forget
from schemas.cluster import Cluster
from schemas.errors import CredentialsError, RefusedError, UserError
from schemas.messages.imports import ImportRecord, end_holding
from schemas.stages import BETWEEN
from schemas.topics import BACKFILL
from schemas.zendesk_pages import RawExportPage
from streams.kafka.committed import CommittedOffsets
from streams.kafka.messages import Record
from streams.kafka.producer import Producer
from streams.retries import retrying
from streams.sources.zendesk.client import ZendeskClient
from streams.sources.zendesk.export import export_page
from streams.sources.zendesk.export_source import NAME, page_of
from streams.sources.zendesk.sideloads import WITH_NAMES, Sideloads
from streams.telemetry.source_spans import source_spans

if TYPE_CHECKING:
    from streams.telemetry.tracing import Tracing

_MAX_TICKETS_AHEAD = 4_000
"""How many tickets an import may be ahead of enrich; what is ahead cannot be cancelled any more."""
_POLL_IMPORT_SECONDS = 0.2
_COUNTS_SECONDS = 10.0


class ImportRunner:
    """Runs imports for one worker.

    ``bulk`` reads comments for many tickets at once; without it each ticket's are asked for.
    """

    def __init__(
        self,
        client: ZendeskClient | None,
        producer: Producer,
        *,
        cluster: Cluster,
        replay: ReplayFeed | None = None,
        rebuild: Rebuild | None = None,
        bulk: BulkComments | None = None,
        tracing: Tracing | None = None,
        meter: Meter,
    ) -> None:
        self._client = client
        self._producer = producer
        self._cluster = cluster
        self._replay = replay
        self._rebuild = rebuild
        self._bulk = bulk
        self._tracing = tracing
        self._meter = meter

    async def run(self, record: ImportRecord, save: Save, running: Running) -> None:
        """Bring an import to its end; ``save`` writes the record to its table, ``running`` tells which run.

        While Zendesk refuses the login the import waits. Any other error that is not tried again ends it
        as ``failed``, with the error in its record; it can be resumed.
        """
        try:
            if record.spec.file:
                while not record.source_ended:  # fed by the command line that holds the file
                    await asyncio.sleep(_POLL_IMPORT_SECONDS)
            elif record.spec.replay:
                await self._feed_replay(record, save)
            else:
                await self._feed(record, save)
                await retrying(
                    partial(
                        self._producer.send, self.forget_comments_records(record, running(), complete=True)
                    )
                )
            await retrying(self._everything_indexed)
            await _counts_arrived(record)
            if record.spec.replay and self._rebuild is not None:
                await self._rebuild.finish(record, save)
            record.status = "completed"
        except (UserError, RefusedError) as error:
            record.status = "failed"
            record.errors.append(str(error))
        except Exception as error:
            structlog.get_logger().error(
                "import failed",
                account=record.account,
                import_id=record.id,
                error=error,
                exc_info=True,
            )
            record.status = "failed"
            record.errors.append(f"{type(error).__name__}: {error}")
        if record.status == "failed":
            await retrying(partial(self._producer.send, self.forget_comments_records(record, running())))
            end_holding(record)
        await save()

    def forget_comments_records(
        self, record: ImportRecord, running: Sequence[ImportRecord], *, complete: bool = False
    ) -> list[Record]:
        """Return the commands that delete comments held for imports that run no more; none if it held none.

        ``complete`` says that the import still runs but has sent all its tickets, so its comments go too.
        """
        if not record.events:
            return []
        keep = {one.id for one in running if one.account == record.account}
        needed = keep - {record.id} if complete else keep
        return records_that_forget(record.account, needed, self._cluster.partitions)

    async def _feed(self, record: ImportRecord, save: Save) -> None:
        if self._client is None:
            raise RefusedError("no Zendesk account is connected to the workers: set TICKETSTREAM_ZENDESK__…")
        while not record.source_ended:
            await _room(record)
            began = time.time()
            # While the login is refused the import waits; once a person has mended it, this page is next.
            page = await until_accepted(partial(self._page, self._client, record), partial(_waits, record))
            record.source_calls += 1
            await until_accepted(partial(self._comments_ahead, record, page, save), partial(_waits, record))
            told = page_of(
                page,
                account=record.account,
                source="import",
                import_id=record.id,
                sideloads=Sideloads.of(page) if record.comments == "bulk" else None,
            )
            records, unreadable = records_of(
                told.items,
                source=NAME,
                account=record.account,
                topic=BACKFILL,
                partitions=self._cluster.partitions,
                import_id=record.id,
            )
            with source_spans(self._tracing, "import", began, records) as traced:
                await retrying(partial(self._producer.send, traced))
            record.cursor = told.cursor
            record.fetched += len(records) - unreadable
            record.unreadable += unreadable
            record.source_ended = told.ended
            self._meter.import_page(len(records) - unreadable, unreadable)
            await save()

    async def _page(self, client: ZendeskClient, record: ImportRecord) -> RawExportPage:
        return await export_page(
            client,
            start_time=None if record.cursor else record.spec.since,
            cursor=record.cursor or None,
            include=WITH_NAMES if self._bulk is not None and record.comments != "single" else "",
            lane="backfill",
        )

    async def _comments_ahead(self, record: ImportRecord, page: RawExportPage, save: Save) -> None:
        """Send the comments of a page's tickets, if they are read in bulk."""
        if self._bulk is None:
            return
        if not record.comments:
            await self._bulk.choose(record, page)
            await save()
        if record.comments == "bulk":
            await self._bulk.read_ahead(record, page, save)

    async def _feed_replay(self, record: ImportRecord, save: Save) -> None:
        if self._replay is None or self._rebuild is None:
            raise RefusedError("this worker cannot replay")
        await self._rebuild.prepare()
        if not record.source_ended:
            await self._replay.run(
                record,
                save=save,
                room=lambda: _room(record),
                indexed=lambda: retrying(self._everything_indexed, on_retry=waits),
            )

    async def _everything_indexed(self) -> None:
        async with CommittedOffsets(self._cluster) as watermarks:
            # In the order of the pipeline: a message that a stage has acknowledged is on the next topic. A
            # misplaced one is on the first topic once more, in its key's partition: so that is waited for
            # twice.
            for topic in (BACKFILL, BACKFILL, *BETWEEN):
                await watermarks.wait_for(topic)


def _waits(record: ImportRecord, error: CredentialsError) -> None:
    structlog.get_logger().error("an import waits", import_id=record.id, account=record.account, error=error)


async def _counts_arrived(record: ImportRecord) -> None:
    """Wait until the last counts of the stages have come; a crash can keep some from being exact."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_COUNTS_SECONDS):
            while record.done + record.repeated < record.fetched + record.unreadable:
                await asyncio.sleep(_POLL_IMPORT_SECONDS)


async def _room(record: ImportRecord) -> None:
    """Wait until enrich has caught up with what was sent."""
    while record.fetched - _counted_by_enrich(record) > _MAX_TICKETS_AHEAD:
        await asyncio.sleep(_POLL_IMPORT_SECONDS)


def _counted_by_enrich(record: ImportRecord) -> int:
    return sum(
        counts.sent + counts.skipped + counts.failed + counts.repeated
        for key, counts in record.stages.items()
        if key.startswith("enrich/")
    )
