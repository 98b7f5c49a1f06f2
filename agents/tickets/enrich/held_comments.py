"""Comments that an import has read in bulk: held for each ticket until the ticket itself comes.

Ticket events come in the order of time, over all tickets. An import puts what a page of them tells of a
ticket on ``tickets.backfill`` under the ticket's key, and the ticket behind it: so the partition's owner has
written all of a ticket's comments to the table ``comments`` before it works on the ticket. In these cases the
held comments are not used, and enrich asks Zendesk:

- a redaction, a change of privacy or an unreadable event has made the ticket doubtful,
- there are not as many comments as the ticket says it has: some are older than the import's beginning, were
  lost with a dead letter, or belong to a newer state of the ticket than the one at hand,
- the comments are held for another import.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from agents.app.tables import Tables
from agents.engine.outcomes import Mark, Outcome
from agents.engine.places import place_given_up
from schemas.codec import encode, headers_of
from schemas.messages.tickets import CommentEvents, ForgetHeldComments, TicketChange
from schemas.tables import HeldComments, part_key
from schemas.topics import BACKFILL
from schemas.zendesk import Comment
from streams.kafka.messages import Incoming, Record, own_key
from streams.kafka.positions import Positions

TABLE: Final = "comments"
_TOGETHER: Final = 20
_TOGETHER_BYTES: Final = 32 * 1024
"""An entry no larger than these is written anew; a ticket's further comments get one of their own."""
_FORGET_AT_ONCE: Final = 1000
_POLL_TURN_SECONDS: Final = 0.05


HeldPages = Callable[[], Iterator[list[Comment]]]
"""Reads a ticket's comments, some at a time."""


class Held:
    """The table ``comments`` of a worker's partitions."""

    def __init__(self, tables: Tables, positions: Positions) -> None:
        self._table = tables[TABLE]
        self._positions = positions

    async def take_in(self, message: Incoming) -> Outcome:
        """Hold the comments of a message; raises PermanentError for one under another ticket's key."""
        told = message.decoded(CommentEvents)
        key = own_key(message, told.account, told.ticket_id)
        head: HeldComments | None = self._table.get(message.partition, key)
        marks: list[Mark] = []
        if head is not None and head.held_for != told.held_for:
            marks = self._forgotten(key, head)
            head = None
        if head is None:
            entry = HeldComments(told.held_for, told.comments, 0, told.doubtful)
        else:
            entry = HeldComments(
                head.held_for, head.comments + told.comments, head.parts, head.doubtful or told.doubtful
            )
            if head.comments and told.comments and not _fits(entry.comments):
                part = HeldComments(head.held_for, head.comments)
                marks.append(Mark(TABLE, part_key(key, head.parts), part))
                entry.comments, entry.parts = told.comments, head.parts + 1
        if entry.doubtful:
            # Zendesk will be asked for this ticket's comments, so those held are not kept.
            marks += self._forgotten(key, entry)[1:]
            entry.comments, entry.parts = [], 0
        marks.append(Mark(TABLE, key, entry))
        return Outcome("skipped", reason="held", marks=marks, account=told.account)

    def of(self, partition: int, key: bytes, change: TicketChange) -> HeldPages | None:
        """Return what reads all comments of a ticket, a part at a time, each as its last event says.

        None when they are not held, or can be doubted.
        """
        head: HeldComments | None = self._table.get(partition, key)
        if head is None or head.held_for != change.import_id or head.doubtful:
            return None
        last = {
            comment.id: number
            for number, comments in enumerate(self._pages(partition, key, head))
            for comment in comments
        }
        if len(last) != change.comment_count:
            return None

        def pages() -> Iterator[list[Comment]]:
            for number, comments in enumerate(self._pages(partition, key, head)):
                told = {comment.id: comment for comment in comments if last[comment.id] == number}
                if told or not last:
                    yield list(told.values())

        return pages

    def _pages(self, partition: int, key: bytes, head: HeldComments) -> Iterator[list[Comment]]:
        for number in range(head.parts):
            part: HeldComments | None = self._table.get(partition, part_key(key, number))
            yield part.comments if part else []
        yield head.comments

    def forget(self, partition: int, key: bytes, change: TicketChange) -> list[Mark]:
        """Return the marks that delete what is held of a ticket for the import of this change."""
        head: HeldComments | None = self._table.get(partition, key)
        if head is None or head.held_for != change.import_id:
            return []
        return self._forgotten(key, head)

    async def over(self, message: Incoming) -> Outcome:
        """Delete the comments that are held for imports which run no more, a few entries at a time.

        It waits until all messages before this one in the partition are acknowledged: tickets among them
        still need the comments that are held for them.
        """
        command = message.decoded(ForgetHeldComments)
        # A message that it waits for may need this message's place in the gate: kept, it would be a deadlock.
        async with place_given_up():
            while not self._positions.is_next((message.topic, message.partition), message.offset):
                await asyncio.sleep(_POLL_TURN_SECONDS)
        prefix, keep = f"{command.account}:".encode(), frozenset(command.keep)

        def left_over(key: bytes, entry: HeldComments) -> bool:
            return key.startswith(prefix) and entry.held_for not in keep

        while keys := self._table.find(message.partition, left_over, _FORGET_AT_ONCE):
            await self._table.put(message.partition, [(key, None) for key in keys])
        return Outcome("skipped", reason="held", account=command.account)

    @staticmethod
    def _forgotten(key: bytes, head: HeldComments) -> list[Mark]:
        parts = [Mark(TABLE, part_key(key, number), None) for number in range(head.parts)]
        return [Mark(TABLE, key, None), *parts]


def forget_comments_records(account: str, keep: Iterable[str], partitions: int) -> list[Record]:
    """Return a command to every partition: delete the comments held for other imports than ``keep``."""
    word = ForgetHeldComments(account=account, keep=sorted(keep))
    value, headers = encode(word), headers_of(word)
    return [Record(BACKFILL, place, account.encode(), value, headers) for place in range(partitions)]


def _fits(comments: list[Comment]) -> bool:
    return len(comments) <= _TOGETHER and len(encode(comments)) <= _TOGETHER_BYTES
