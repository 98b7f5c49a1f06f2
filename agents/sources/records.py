"""Pages of a source as records for Kafka."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.codec import encode, headers_of
from schemas.ids import digest, ticket_key
from schemas.messages.tickets import TicketChange
from streams.kafka.dead_letters import dead_letter, dead_letter_record, log_dead_letter
from streams.kafka.messages import Incoming, Record
from streams.kafka.partitions import partition_of
from streams.sources.base import Unreadable


def records_of(
    items: Sequence[TicketChange | Unreadable],
    *,
    source: str,
    account: str,
    topic: str,
    partitions: int,
    import_id: str = "",
) -> tuple[list[Record], int]:
    """Return a record for each item, and how many of them are dead letters; ``source`` is its name."""
    records = []
    unreadable = 0
    for item in items:
        if isinstance(item, Unreadable):
            unreadable += 1
            records.append(_letter(item, source, account, import_id, partitions))
            continue
        key = ticket_key(item.account, item.ticket_id)
        records.append(Record(topic, partition_of(key, partitions), key, encode(item), headers_of(item)))
    return records, unreadable


def _letter(item: Unreadable, source: str, account: str, import_id: str, partitions: int) -> Record:
    content = digest(item.raw)
    key = f"{account}:{source.rpartition(':')[2]}:{content}".encode()
    # The item has no offset. A number of its content stands for one: read twice, it is one dead letter.
    message = Incoming(source, 0, int(content, 16) >> 1, None, item.raw, ())
    letter = dead_letter("source", message, item.error, import_id)
    log_dead_letter(letter, item.error)
    return dead_letter_record(letter, key, partition_of(key, partitions))
