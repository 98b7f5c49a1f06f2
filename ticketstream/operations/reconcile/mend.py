"""Puts tickets that differ through the pipeline once more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec

from schemas.codec import encode, headers_of
from schemas.errors import DecodeError, RefusedError
from schemas.headers.replays import replay_headers
from schemas.ids import ticket_key
from schemas.messages.tickets import TicketChange
from schemas.topics import BACKFILL
from schemas.zendesk import Ticket
from streams.kafka.messages import Record
from streams.kafka.partitions import partition_of
from streams.kafka.producer import Producer
from streams.sources.zendesk.client import ZendeskClient
from streams.sources.zendesk.export import change_from_row
from streams.sources.zendesk.rows import MOST_TICKETS
from streams.sources.zendesk.tickets import Row, TicketRows
from streams.weaviate.gather_all import gather_all, slices
from ticketstream.operations.progress import CountHook
from ticketstream.operations.reconcile.compare import Findings, Kind

_IN_ACCOUNT = (Kind.MISSING, Kind.STALE, Kind.CHUNKS)


class Mender:
    """Makes forced changes of tickets, as they are in Zendesk now, and puts them on ``tickets.backfill``.

    ``run_id`` marks the messages: the workers write them though their tables know the ticket, but never
    over a newer version. ``seen_at`` (Unix seconds) is up to when the account was read.
    """

    def __init__(
        self, client: ZendeskClient, producer: Producer, account: str, partitions: int, *, run_id: str
    ) -> None:
        self._rows = TicketRows(client)
        self._producer = producer
        self._account = account
        self._partitions = partitions
        self._run_id = run_id
        self.refused: dict[int, str] = {}
        """Tickets that could not be sent, and why."""

    async def send(
        self,
        found: Findings,
        *,
        seen_at: int,
        gone: Callable[[int, int], None],
        counted: CountHook,
    ) -> int:
        """Send all that was found, and return how many tickets were sent.

        ``gone`` hears ticket and version of those that Zendesk has no more; ``counted`` how many are sent.
        One that Zendesk refuses, or whose row cannot be read, is left out, and noted in ``refused``. Raises
        what else ZendeskClient.get raises, and UnavailableError when Kafka does not take it.
        """
        sent = 0
        triples = list(zip(found.ids.tolist(), found.kinds.tolist(), found.versions.tolist(), strict=True))
        for part in slices(triples, MOST_TICKETS):
            changes = await self._changes(part, seen_at, gone)
            await self._producer.send(self._record(change) for change in changes)
            sent += len(changes)
            counted(sent)
        return sent

    async def _changes(
        self, part: Sequence[tuple[int, int, int]], seen_at: int, gone: Callable[[int, int], None]
    ) -> list[TicketChange]:
        wanted = [ticket_id for ticket_id, kind, _ in part if kind in _IN_ACCOUNT]
        answers = await gather_all(self._row(ticket_id) for ticket_id in wanted)
        rows = {ticket_id: row.raw for ticket_id, row in zip(wanted, answers, strict=True) if row is not None}
        changes = []
        for ticket_id, _, known in part:
            if ticket_id in self.refused:
                continue
            row = rows.get(ticket_id)
            # Not before what the account has said: a newer change is never to be taken for an older one.
            version = known or seen_at
            if row is not None:
                try:
                    changes.append(forced(row, self._account, version))
                except DecodeError as error:
                    self.refused[ticket_id] = str(error)
                continue
            if ticket_id in rows:
                gone(ticket_id, version)
            changes.append(removal(self._account, ticket_id, version))
        return changes

    async def _row(self, ticket_id: int) -> Row | None:
        try:
            return await self._rows.row(ticket_id, "backfill")
        except RefusedError as error:
            self.refused[ticket_id] = str(error)
            return None

    def _record(self, change: TicketChange) -> Record:
        key = ticket_key(change.account, change.ticket_id)
        headers = headers_of(change) + replay_headers(self._run_id)
        return Record(BACKFILL, partition_of(key, self._partitions), key, encode(change), headers)


def forced(row: msgspec.Raw, account: str, version: int) -> TicketChange:
    """Return the change that makes the pipeline write a ticket as it is now, of this version at least.

    Raises DecodeError when the row cannot be read.
    """
    change = change_from_row(row, account=account, source="import")
    return msgspec.structs.replace(change, version=max(version, change.version))


def removal(account: str, ticket_id: int, version: int) -> TicketChange:
    """Return the change that makes the pipeline remove a ticket."""
    moment = datetime.fromtimestamp(version, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return TicketChange(
        account=account,
        ticket_id=ticket_id,
        version=version,
        changed_at=float(version),
        source="import",
        ticket=Ticket(id=ticket_id, created_at=moment, updated_at=moment, status="deleted"),
    )
