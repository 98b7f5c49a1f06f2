"""Whole tickets on ``tickets.backfill``: they go on to the topic they are made for, unless a newer one has.

A message of ``tickets.enriched`` or ``tickets.embedded`` that shall pass once more (a replay, a dead
letter tried again) must not be put on its topic directly: behind a newer version, it would be the one
that compaction keeps. So it comes in by the backfill lane, with its key, its bytes and its header
``schema``, and enrich, through which every version of a ticket goes, compares it with the table ``seen``.
"""

from __future__ import annotations

from typing import Final

import msgspec

from agents.app.tables import Tables
from agents.engine.outcomes import Done, Mark
from agents.knowledge.backlog import Backlog
from schemas.codec import SCHEMA_HEADER, names_of
from schemas.errors import DecodeError, quoting
from schemas.headers.replays import replay_of
from schemas.messages.tickets import EmbeddedTicket, EnrichedTicket, WholeTicket
from schemas.outside import UNREADABLE
from schemas.tables import SeenTicket
from schemas.topics import BACKFILL, EMBEDDED, ENRICHED
from streams.kafka.messages import Incoming, Record, own_key

_TARGETS: Final = {
    **dict.fromkeys(names_of(EnrichedTicket), ENRICHED),
    **dict.fromkeys(names_of(EmbeddedTicket), EMBEDDED),
}
_DECODER: Final = msgspec.json.Decoder(WholeTicket)


def target_of(message: Incoming) -> str | None:
    """Return the topic of a whole ticket on the backfill lane; None for every other message."""
    if message.topic != BACKFILL:
        return None
    return next((_TARGETS.get(raw) for name, raw in message.headers if name == SCHEMA_HEADER), None)


def is_wanted(ticket: WholeTicket, seen: SeenTicket | None) -> bool:
    """Return whether a whole ticket is the newest that enrich has sent, or of one it knows nothing of.

    Of two states with one version only the one that enrich sent last is; their origins tell them apart.
    A newer one than enrich has ever sent is nobody's state: passed on, it would make real changes stale.
    """
    if seen is None:
        return True
    return ticket.version == seen.version and ticket.origin == seen.origin


async def pass_on(message: Incoming, target: str, tables: Tables, backlog: Backlog) -> Done:
    """Return the message as it is for its topic, or why it goes nowhere; raises PermanentError."""
    try:
        ticket = _DECODER.decode(message.value or b"")
    except UNREADABLE as error:
        raise quoting(DecodeError(f"not a message of {target}: {error}"), str(error)) from error
    key = own_key(message, ticket.account, ticket.ticket_id)
    import_id = replay_of(message.headers)

    def seen() -> SeenTicket | None:
        entry: SeenTicket | None = tables["seen"].get(message.partition, key)
        return entry

    if not is_wanted(ticket, seen()):
        return Done("skipped", reason="stale", account=ticket.account, import_id=import_id)
    await backlog.opened(embeds=target == ENRICHED)
    marks = []
    if seen() is None:
        # What its change looked like is not known: should that come again, it is not taken for a duplicate.
        marks = [Mark("seen", key, SeenTicket(ticket.version, "", ticket.origin))]
    return Done(
        "sent",
        records=[Record(target, message.partition, key, message.value, message.headers)],
        marks=marks,
        account=ticket.account,
        import_id=import_id,
        still_wanted=lambda: is_wanted(ticket, seen()),
    )
