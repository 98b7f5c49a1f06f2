"""Reads an import's comments from the account's ticket events, always ahead of the tickets they belong to.

An event is never later than its ticket's ``generated_timestamp``, by which the export is ordered. So when
the events have been read beyond the newest row of a page, all comments of its tickets have been read. Both
exports advance side by side along the account's time, so few comments wait for their tickets at any moment,
and searches find the first tickets after minutes. How far the events are read is part of the import's record,
as its cursor is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container
from functools import partial
from typing import Final

import msgspec
import structlog

from agents.imports.owner import Save
from schemas.codec import encode, headers_of
from schemas.errors import DecodeError, RefusedError
from schemas.ids import ticket_key
from schemas.messages.imports import CommentsWay, ImportRecord
from schemas.messages.tickets import CommentEvents
from schemas.settings.zendesk import ZendeskSettings
from schemas.tables import SeenTicket
from schemas.topics import BACKFILL
from schemas.zendesk_pages import RawExportPage
from schemas.zendesk_rows import comment_count_in
from streams.kafka.messages import Record
from streams.kafka.partitions import partition_of
from streams.kafka.producer import Producer
from streams.retries import retrying
from streams.sources.zendesk.client import ZendeskClient
from streams.sources.zendesk.comment_ways import Limits, Size, ways_of
from streams.sources.zendesk.count import count_tickets
from streams.sources.zendesk.export import LARGEST_PAGE, change_from_row, export_page
from streams.sources.zendesk.ticket_events import EventsPage, events_page

_LARGEST_BYTES: Final = 512 * 1024
"""A ticket with more text in one page of events is marked doubtful: the changelog takes a megabyte."""
_JUDGED_FROM: Final = 500
"""Enriched tickets after which it shows whether comments read in bulk spare calls."""

Seen = Callable[[int, bytes], SeenTicket | None]
"""Looks up what enrich knows of a ticket, by partition and key."""


class BulkComments:
    """Chooses how an import reads comments (``record.comments``: "single" or "bulk"), and reads them in bulk.

    ``seen`` can be asked for the partitions in ``owned()``.
    """

    def __init__(
        self,
        client: ZendeskClient,
        producer: Producer,
        settings: ZendeskSettings,
        *,
        partitions: int,
        seen: Seen,
        owned: Callable[[], Container[int]],
    ) -> None:
        self._client = client
        self._producer = producer
        self._wanted = settings.comments
        self._limits = Limits(settings.requests_per_minute, settings.incremental_requests_per_minute)
        self._partitions = partitions
        self._seen = seen
        self._owned = owned

    async def choose(self, record: ImportRecord, page: RawExportPage) -> None:
        """Set the import's way, by its first page and, where it may matter, by some more calls.

        Raises what ZendeskClient.get raises.
        """
        record.comments = self._wanted if self._wanted != "auto" else await self._faster(record, page)
        structlog.get_logger().info("comments are read", import_id=record.id, way=record.comments)

    async def _faster(self, record: ImportRecord, page: RawExportPage) -> CommentsWay:
        since, sizes, total = record.spec.since, self._sizes(record.account, page), float(len(page.tickets))
        if not page.end_of_stream:
            count, calls = await count_tickets(self._client, since)
            record.source_calls += calls
            if count is None:
                # Without the number of tickets nobody can tell which way is shorter. Ticket by ticket never
                # waits for events in vain.
                return "single"
            total = max(total, count - record.fetched)
            whole = ways_of(
                [size._replace(known=False) for size in sizes], total, since=since, events_a_comment=1
            )
            if whole.faster(self._limits) == "single":
                return "single"
            if total > 2 * LARGEST_PAGE:
                later = (self._newest(page) + int(time.time())) // 2
                probe = await export_page(
                    self._client, start_time=later, cursor=None, include="comment_count", lane="backfill"
                )
                record.source_calls += 1
                sizes += self._sizes(record.account, probe)
        if ways_of(sizes, total, since=since).faster(self._limits) == "single":
            return "single"
        events = await self._next(record)
        if events is None:
            return "single"
        ways = ways_of(
            sizes, total, since=since, events_a_comment=events.to_a_comment, doubtful=events.doubtful
        )
        if ways.faster(self._limits) == "single":
            return "single"
        await self._put(record, events)
        return "bulk"

    async def read_ahead(self, record: ImportRecord, page: RawExportPage, save: Save) -> None:
        """Put all comments of a page's tickets on the backfill lane, before the tickets themselves.

        Falls back to the single way when Zendesk refuses the events, or an event names no ticket, or (where
        the settings leave the choice) most tickets needed a call of their own all the same. Raises what
        ZendeskClient.get raises, except RefusedError.
        """
        newest = self._newest(page)
        if self._wanted != "bulk" and _in_vain(record):
            self._give_up(record, "most tickets had to be asked for all the same")
        ended = False
        while record.comments == "bulk" and record.events_from <= newest and not ended:
            events = await self._next(record)
            if events is None:
                return
            await self._put(record, events)
            await save()
            ended = events.ended

    async def _next(self, record: ImportRecord) -> EventsPage | None:
        """Return the next page of events; None when the bulk way ends here."""
        try:
            events = await events_page(self._client, record.events_from or record.spec.since)
        except RefusedError as error:  # also raised for a page that is too large for us
            self._give_up(record, str(error))
            return None
        record.source_calls += events.calls
        if events.unreadable:
            self._give_up(record, "some events name no ticket")
            return None
        return events

    async def _put(self, record: ImportRecord, events: EventsPage) -> None:
        records = [
            _record(
                CommentEvents(
                    account=record.account,
                    ticket_id=ticket_id,
                    held_for=record.id,
                    comments=told.comments,
                    doubtful=told.doubtful,
                ),
                self._partitions,
            )
            for ticket_id, told in events.told.items()
        ]
        await retrying(partial(self._producer.send, records))
        record.events_from = events.next_start
        record.events += events.events

    @staticmethod
    def _give_up(record: ImportRecord, why: str) -> None:
        record.comments = "single"
        structlog.get_logger().warning(
            "comments are read ticket by ticket from now on", import_id=record.id, reason=why
        )

    def _newest(self, page: RawExportPage) -> int:
        """Return the newest second of a page's rows; rows that cannot be read have none."""
        newest = 0
        for row in page.tickets:
            try:
                newest = max(newest, change_from_row(row, account="", source="import").version)
            except DecodeError:
                continue
        return newest

    def _sizes(self, account: str, page: RawExportPage) -> list[Size]:
        sizes = []
        owned = self._owned()
        for row in page.tickets:
            try:
                change = change_from_row(row, account=account, source="import")
            except DecodeError:
                continue
            key = ticket_key(account, change.ticket_id)
            partition = partition_of(key, self._partitions)
            known = None
            if partition in owned:
                seen = self._seen(partition, key)
                known = seen is not None and seen.version >= change.version
            sizes.append(Size.of(change.ticket, comment_count_in(row), known))
        return sizes


def _record(told: CommentEvents, partitions: int) -> Record:
    key = ticket_key(told.account, told.ticket_id)
    value = encode(told)
    if len(value) > _LARGEST_BYTES:
        told = msgspec.structs.replace(told, comments=[], doubtful=True)
        value = encode(told)
    return Record(BACKFILL, partition_of(key, partitions), key, value, headers_of(told))


def _in_vain(record: ImportRecord) -> bool:
    """Say whether enrich had to make a call for most of the tickets."""
    calls = sum(counts.calls for key, counts in record.stages.items() if key.startswith("enrich/"))
    return record.enriched >= _JUDGED_FROM and calls > record.enriched / 2
