"""What is sent to Kafka when a dead letter is retried."""

from __future__ import annotations

from typing import Final

from schemas.codec import decode_value, encode, headers_of
from schemas.errors import DecodeError, PermanentError
from schemas.headers.retries import with_retry
from schemas.ids import ticket_key
from schemas.messages.dead_letters import DeadLetter
from schemas.messages.tickets import TicketChange
from schemas.stages import READ_TOPICS
from schemas.topics import BACKFILL, IMPORT_COMMANDS, IMPORT_PROGRESS
from streams.kafka.messages import Record
from streams.kafka.partitions import partition_of
from streams.kafka.topics import MAX_MESSAGE_BYTES, TOPIC_MAX_BYTES
from streams.sources.zendesk.export import change_from_row
from streams.sources.zendesk.export_file import change_from_line
from ticketstream.operations.dead_letters.book import KnownLetter, original, original_headers

_TARGETS: Final = {
    # Never a compacted topic: an old version behind a newer one would be the one that is kept.
    **dict.fromkeys(READ_TOPICS, BACKFILL),
    IMPORT_COMMANDS: IMPORT_COMMANDS,
    IMPORT_PROGRESS: IMPORT_PROGRESS,
}
_SOURCE: Final = "source"
"""The stage of letters made from a line of a file, or a row of Zendesk's export."""
_ROOM: Final = 64 * 1024
"""What key, headers and the broker's own bookkeeping may add to a value."""


def sent_again(known: KnownLetter, letter: DeadLetter, partitions: int) -> Record:
    """Return the record that retries a letter, which must come with its original.

    A message of the pipeline goes with its own bytes, key and headers to ``tickets.backfill``, where a
    newer version of its ticket passes it; a message about imports to its own topic. Both go to
    the partition of their key, where they were before. A line or row of a source is read again.
    Raises PermanentError when there is nothing that could be sent.
    """
    if letter.stage == _SOURCE:
        return _read_again(known, letter, partitions)
    target = _TARGETS.get(letter.topic)
    if target is None:
        raise PermanentError(f"no stage reads the topic {letter.topic!r}")
    key = original(letter.key)
    partition = letter.partition if key is None else partition_of(key, partitions)
    if not 0 <= partition < partitions:
        raise PermanentError(f"there is no partition {partition}")
    value = original(letter.value)
    if len(value or b"") > TOPIC_MAX_BYTES - _ROOM:
        raise PermanentError(f"its {len(value or b''):,} bytes are more than {target} takes")
    return Record(
        target, partition, key, value, with_retry(original_headers(letter), letter.id, letter.import_id)
    )


def _read_again(known: KnownLetter, letter: DeadLetter, partitions: int) -> Record:
    # The letter's own key begins with the account; the original has none.
    account = (known.key or b"").split(b":")[0].decode("utf-8", "replace")
    if not account:
        raise PermanentError("nothing tells which account it belongs to")
    raw = original(letter.value) or b""
    change = _change(letter, raw, account)
    key = ticket_key(account, change.ticket_id)
    value = encode(change)
    if len(value) > MAX_MESSAGE_BYTES:
        raise PermanentError(
            f"ticket {change.ticket_id} is {len(value):,} bytes, and at most {MAX_MESSAGE_BYTES:,} are sent "
            "at once: import its file again, which sends it in parts"
        )
    headers = with_retry(headers_of(change), letter.id, letter.import_id)
    return Record(BACKFILL, partition_of(key, partitions), key, value, headers)


def _change(letter: DeadLetter, raw: bytes, account: str) -> TicketChange:
    if letter.line is None:
        return change_from_row(raw, account=account, source="import", import_id=letter.import_id)
    try:
        return change_from_line(raw, account=account, import_id=letter.import_id)
    except DecodeError:
        try:
            # A line that was read, but was too large to send, is kept as what was to be sent.
            return decode_value(TicketChange, raw)
        except DecodeError:
            pass
        raise
