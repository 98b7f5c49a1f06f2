"""Pages of Zendesk's export as records for Kafka."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from schemas.codec import encode, headers_of
from schemas.errors import DecodeError
from schemas.ids import digest, ticket_key
from schemas.messages.tickets import Source
from schemas.zendesk_rows import comment_count_in
from streams.kafka.dead_letters import dead_letter, dead_letter_record, log_dead_letter
from streams.kafka.messages import Incoming, Record
from streams.kafka.partitions import partition_of
from streams.sources.zendesk.export import change_from_row
from streams.sources.zendesk.sideloads import Sideloads


def page_records(
    rows: Sequence[msgspec.Raw],
    *,
    account: str,
    topic: str,
    source: Source,
    partitions: int,
    import_id: str = "",
    sideloads: Sideloads | None = None,
) -> tuple[list[Record], int]:
    """Return a record for each row, and how many of them are dead letters: rows that cannot be read.

    ``sideloads`` are the names that came along, where the tickets' comments have been sent ahead of them.
    """
    records = []
    unreadable = 0
    for row in rows:
        try:
            change = change_from_row(row, account=account, source=source, import_id=import_id)
        except DecodeError as error:
            unreadable += 1
            records.append(_dead_row(bytes(row), error, account, import_id, partitions))
            continue
        if sideloads is not None:
            sideloads.add_to(change, comment_count_in(row))
        key = ticket_key(account, change.ticket_id)
        records.append(Record(topic, partition_of(key, partitions), key, encode(change), headers_of(change)))
    return records, unreadable


def _dead_row(raw: bytes, error: DecodeError, account: str, import_id: str, partitions: int) -> Record:
    key = f"{account}:export:{digest(raw)}".encode()
    # A row has no offset; its content tells it from others, so that reading it twice is one letter.
    message = Incoming("zendesk:export", 0, int(digest(raw), 16) >> 1, None, raw, ())
    letter = dead_letter("source", message, error, import_id)
    log_dead_letter(letter, error)
    return dead_letter_record(letter, key, partition_of(key, partitions))
