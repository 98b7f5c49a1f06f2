"""Whole tickets on ``tickets.backfill`` go on to the topic they are made for, unless enrich has sent a newer
state of the ticket.

A message of ``tickets.enriched`` or ``tickets.embedded`` that shall pass once more (a replay, a dead
letter tried again) must not be put on its topic directly: behind a newer version, it would be the one
that compaction keeps. So it comes in by the backfill lane, with its key, its bytes and its header
``schema``, and enrich, through which every version of a ticket goes, compares it with the table ``seen``.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from agents.app.tables import Tables
from agents.engine.outcomes import Mark, Outcome
from agents.knowledge.backlog import Backlog
from schemas.errors import DecodeError, quoting
from schemas.messages.tickets import EmbeddedTicket, EnrichedTicket, WholeTicket
from schemas.outside import UNREADABLE
from schemas.tables import SeenTicket
from schemas.topics import EMBEDDED, ENRICHED
from streams.kafka.messages import Incoming, Record, own_key

_TARGETS: Final[dict[type[Any] | None, str]] = {EnrichedTicket: ENRICHED, EmbeddedTicket: EMBEDDED}
_DECODER: Final = msgspec.json.Decoder(WholeTicket)


def is_wanted(ticket: WholeTicket, seen: SeenTicket | None) -> bool:
    """Return whether a whole ticket is the state that enrich has sent last, or enrich knows none of it.

    Of two states with one version only the one that enrich sent last is wanted; their origins tell them
    apart. A higher version than enrich has ever sent is no state of the ticket: passed on, it would make real
    changes stale.
    """
    if seen is None:
        return True
    return ticket.version == seen.version and ticket.origin == seen.origin


class PassThrough:
    """The handler of whole tickets on the backfill lane."""

    def __init__(self, tables: Tables, backlog: Backlog) -> None:
        self._table = tables["seen"]
        self._backlog = backlog

    async def handle(self, message: Incoming) -> Outcome:
        """Return the message as it is for its topic, or why it goes nowhere; raises PermanentError."""
        envelope = message.envelope
        target = _TARGETS[envelope.kind]
        try:
            ticket = _DECODER.decode(message.value or b"")
        except UNREADABLE as error:
            raise quoting(DecodeError(f"not a message of {target}: {error}"), str(error)) from error
        key = own_key(message, ticket.account, ticket.ticket_id)

        def seen() -> SeenTicket | None:
            entry: SeenTicket | None = self._table.get(message.partition, key)
            return entry

        if not is_wanted(ticket, seen()):
            return Outcome("skipped", reason="stale", account=ticket.account, import_id=envelope.replay)
        await self._backlog.wait_while_capped(embeds=target == ENRICHED)
        marks = []
        if seen() is None:
            # Its change's digest is not known. With an empty one the change is no duplicate if it comes.
            marks = [Mark("seen", key, SeenTicket(ticket.version, "", ticket.origin))]
        return Outcome(
            "sent",
            records=[Record(target, message.partition, key, message.value, message.headers)],
            marks=marks,
            account=ticket.account,
            import_id=envelope.replay,
            is_current=lambda: is_wanted(ticket, seen()),
        )
