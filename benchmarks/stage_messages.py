"""The messages of the raw stage: tickets of about 2 KB on ``tickets.backfill``."""

from __future__ import annotations

from typing import Final

from schemas.codec import encode, headers_of
from schemas.ids import ticket_key
from schemas.messages.tickets import TicketChange
from schemas.settings.load import Settings
from schemas.topics import BACKFILL
from schemas.zendesk import Ticket
from streams.kafka.messages import Record
from streams.kafka.partitions import partition_of
from streams.kafka.producer import Producer

ACCOUNT: Final = "raw"
_IMPORT_ID: Final = "raw"
_SENTENCE: Final = "The printer on the second floor prints every page twice since this morning. "
_DESCRIPTION: Final = _SENTENCE * 20
_AT_ONCE: Final = 2_000


def change_of(number: int, version: int) -> TicketChange:
    """Return a ticket's change."""
    ticket = Ticket(
        id=number,
        created_at="2026-01-01T08:00:00Z",
        updated_at="2026-01-02T08:00:00Z",
        status="open",
        subject="Pages are printed twice",
        description=_DESCRIPTION,
        priority="normal",
        tags=["printer", "second_floor"],
        requester_id=10_000 + number,
        assignee_id=7,
        organization_id=3,
        group_id=2,
        generated_timestamp=version,
    )
    return TicketChange(
        account=ACCOUNT,
        ticket_id=number,
        version=version,
        changed_at=float(version),
        source="import",
        ticket=ticket,
        import_id=_IMPORT_ID,
    )


async def fill(settings: Settings, messages: int) -> int:
    """Put so many messages on the topic, each ticket twice; returns the bytes of one value."""
    producer = Producer(settings.cluster, "benchmark")
    partitions = settings.kafka.partitions
    size = 0
    await producer.start()
    try:
        tickets = messages // 2
        for start in range(0, messages, _AT_ONCE):
            records = []
            for number in range(start, min(messages, start + _AT_ONCE)):
                change = change_of(number % tickets, 1 + number // tickets)
                key, value = ticket_key(ACCOUNT, change.ticket_id), encode(change)
                partition = partition_of(key, partitions)
                records.append(Record(BACKFILL, partition, key, value, headers_of(change)))
                size = max(size, len(value))
            await producer.send(records)
    finally:
        await producer.stop()
    return size
