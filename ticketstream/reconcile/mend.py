"""Puts tickets that differ through the pipeline once more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec

from agents.partitions import partition_of
from agents.producer import Producer, Record
from schemas.codec import encode, headers_of
from schemas.ids import ticket_key
from schemas.messages import TicketChange
from schemas.replays import replay_headers
from schemas.topics import BACKFILL
from schemas.zendesk import Ticket
from streams.sinks.weaviate.together import slices
from streams.sources.zendesk.client import ZendeskClient
from streams.sources.zendesk.export import change_of
from streams.sources.zendesk.rows import MOST_TICKETS, fetch_ticket, fetch_tickets
from ticketstream.reconcile.compare import Findings, Kind

_IN_ACCOUNT = (Kind.MISSING, Kind.STALE, Kind.CHUNKS)


class Mender:
    """Makes forced changes of tickets, as they are in Zendesk now, and puts them on ``tickets.backfill``.

    ``run_id`` marks the messages: the workers write them though their tables know the ticket, but never
    over a newer version. ``seen_at`` (Unix seconds) is up to when the account was read.
    """

    def __init__(
        self, client: ZendeskClient, producer: Producer, account: str, partitions: int, *, run_id: str
    ) -> None:
        self._client = client
        self._producer = producer
        self._account = account
        self._partitions = partitions
        self._run_id = run_id

    async def send(
        self,
        found: Findings,
        *,
        seen_at: int,
        gone: Callable[[int, int], None],
        told: Callable[[int], None],
    ) -> int:
        """Send all that was found, and return how many tickets were sent.

        ``gone`` hears ticket and version of those that Zendesk has no more; ``told`` how many are sent.
        Raises what ZendeskClient.get raises, and UnavailableError when Kafka does not take it.
        """
        sent = 0
        triples = list(zip(found.ids.tolist(), found.kinds.tolist(), found.versions.tolist(), strict=True))
        for part in slices(triples, MOST_TICKETS):
            changes = await self._changes(part, seen_at, gone)
            await self._producer.send(self._record(change) for change in changes)
            sent += len(changes)
            told(sent)
        return sent

    async def _changes(
        self, part: Sequence[tuple[int, int, int]], seen_at: int, gone: Callable[[int, int], None]
    ) -> list[TicketChange]:
        wanted = [ticket_id for ticket_id, kind, _ in part if kind in _IN_ACCOUNT or kind == Kind.UNKNOWN]
        rows = {row.id: row for row in await fetch_tickets(self._client, wanted)} if wanted else {}
        changes = []
        for ticket_id, kind, known in part:
            row = rows.get(ticket_id)
            if row is None and kind in _IN_ACCOUNT:
                # The export knows it, so that it is left out here does not prove that it is gone.
                row = await fetch_ticket(self._client, ticket_id)
            # Not before what the account has said: a newer change is never to be taken for an older one.
            version = known or seen_at
            if row is None:
                if kind in _IN_ACCOUNT:
                    gone(ticket_id, version)
                changes.append(removal(self._account, ticket_id, version))
            else:
                changes.append(forced(self._account, row, version))
        return changes

    def _record(self, change: TicketChange) -> Record:
        key = ticket_key(change.account, change.ticket_id)
        headers = headers_of(change) + replay_headers(self._run_id)
        return Record(BACKFILL, partition_of(key, self._partitions), key, encode(change), headers)


def forced(account: str, row: Ticket, version: int) -> TicketChange:
    """Return the change that makes the pipeline write a ticket as it is now, of this version at least."""
    change = change_of(row, account=account, source="import")
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
