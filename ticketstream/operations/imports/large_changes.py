"""A ticket of an export file whose comments are too large to travel with it: they go ahead, in parts."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from schemas.codec import encode, headers_of
from schemas.errors import RefusedError
from schemas.ids import digest, ticket_key
from schemas.messages.tickets import CommentsPart, TicketChange
from schemas.parts import PART_BYTES, PartRef, Parts
from schemas.tables import part_message_key
from schemas.topics import BACKFILL
from schemas.zendesk import Comment
from streams.kafka.messages import Record
from streams.kafka.partitions import partition_of
from streams.kafka.topics import MAX_MESSAGE_BYTES

LARGE_BYTES: Final = 4 * 1024 * 1024
"""A larger change does not travel as one message."""

Send = Callable[[Sequence[Record]], Awaitable[Mapping[tuple[str, int], int]]]
"""Sends records and returns, when Kafka has all, the last offset written for each topic and partition."""


class LargeChange(NamedTuple):
    """A change without its comments, and the values of the parts that hold them."""

    change: TicketChange
    parts: list[bytes]


def in_parts(change: TicketChange) -> LargeChange:
    """Return a change that is to travel in parts; raises RefusedError when something of it fits into none."""
    parts: list[bytes] = []
    some: list[Comment] = []
    size = 0

    def close() -> None:
        part = CommentsPart(account=change.account, ticket_id=change.ticket_id, comments=some)
        parts.append(encode(part))

    for comment in sorted(change.comments or (), key=lambda one: (one.created_at, one.id)):
        own = len(encode(comment))
        _check(own, f"comment {comment.id} of ticket {change.ticket_id}")
        if some and size + own > PART_BYTES:
            close()
            some, size = [], 0
        some.append(comment)
        size += own
    if some:
        close()
    rest = replace(change, comments=None)
    _check(len(encode(rest)), f"ticket {change.ticket_id}" + (" without its comments" if parts else ""))
    return LargeChange(rest, parts)


async def send_parts(large: LargeChange, send: Send, partitions: int) -> Record:
    """Send the parts, and return the record of the change that closes them."""
    change = large.change
    key = ticket_key(change.account, change.ticket_id)
    partition, name = partition_of(key, partitions), uuid.uuid4().hex[:16]
    headers = headers_of(CommentsPart(account="", ticket_id=0, comments=[]))
    refs = []
    for number, value in enumerate(large.parts):
        record = Record(BACKFILL, partition, part_message_key(key, name, number), value, headers)
        offsets = await send([record])
        refs.append(PartRef(offsets[BACKFILL, partition], digest(value)))
    closing = replace(change, parts=Parts(name, partition, refs)) if refs else change
    return Record(BACKFILL, partition, key, encode(closing), headers_of(closing))


def _check(size: int, what: str) -> None:
    room = MAX_MESSAGE_BYTES - 1024
    if size > room:
        raise RefusedError(f"{what} is {size:,} bytes; at most {room:,} are sent")
