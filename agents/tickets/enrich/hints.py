"""Hints: a webhook says that a ticket has changed, and enrich looks at Zendesk how it is now.

A hint carries no content and is answered by looking, never by comparing times: a comment can be redacted
without ``updated_at`` moving, and clocks differ. These rules keep a late or early look from replacing what is
newer:

- Only hints that had come before the last look began are answered without one; offsets on the topic decide.
- What the look finds never lowers a version. An answer whose ``updated_at`` is older than the one seen is not
  believed: Zendesk answered from a copy that lags.
- A change that passes on the other lane while a hint looks makes it look again, or puts the hint back on its
  topic. One that was being read meanwhile and has no newer version is dropped (see known_change).
- A ticket that is gone (404, deleted, spam) is removed under the version that was seen, so that the export's
  word of its deletion or return is newer. One that was never seen leaves nothing to remove.

docs/decisions/0007-hints-are-answered-by-looking.md says why, and what a hint costs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

import msgspec

from agents.app.tables import Tables
from agents.engine.outcomes import Mark, Outcome
from agents.knowledge.parts import PartSets
from agents.tickets.enrich.gathering import Gathered
from schemas.codec import encode, headers_of
from schemas.errors import DecodeError
from schemas.ids import digest
from schemas.lanes import Lane
from schemas.messages.tickets import EnrichedTicket, Origin, Passage, TicketChange, TicketHint
from schemas.tables import SeenTicket
from schemas.topics import ENRICHED
from schemas.zendesk import Ticket
from streams.kafka.messages import Incoming, Record, own_key
from streams.kafka.positions import Positions
from streams.sources.zendesk.export import change_from_row
from streams.sources.zendesk.tickets import Row

_MERGED = "ticket.merged"
"""Zendesk's word for a merge, about the ticket that was merged. Source: Zendesk's webhook reference, "Ticket
events"."""


class Whole(NamedTuple):
    """A ticket with its passages, some of which may have been sent in parts."""

    ticket: EnrichedTicket
    gathered: Gathered


MakeWhole = Callable[[TicketChange, Incoming, Lane, bool], Awaitable[Whole]]
"""Adds comments and names to a change; a ticket whose comments are gone is removed.

The last argument says that the ticket is said to be merged into another: then Zendesk is asked."""


class RowReader(Protocol):
    """What a hint asks of Zendesk."""

    async def row(self, ticket_id: int, lane: Lane, sending: Callable[[], None]) -> Row:
        """Return a ticket as it is now; ``sending`` is called just before the question goes out."""


class Hints:
    """Answers hints for the stage enrich.

    ``zendesk`` is None where no account is connected: nobody can be asked then.
    """

    def __init__(
        self,
        tables: Tables,
        zendesk: RowReader | None,
        whole: MakeWhole,
        sets: PartSets,
        positions: Positions,
    ) -> None:
        self._tables = tables
        self._zendesk = zendesk
        self._whole = whole
        self._sets = sets
        self._positions = positions

    async def handle(self, message: Incoming) -> Outcome:
        """Return the ticket as it is now, or why it needs no look."""
        hint = message.decoded(TicketHint)
        key = own_key(message, hint.account, hint.ticket_id)
        if self._zendesk is None:
            return Outcome("skipped", reason="no account", account=hint.account)
        table = self._tables["seen"]
        calls = 0
        while True:
            seen: SeenTicket | None = table.get(message.partition, key)
            if _answered(message, seen):
                return Outcome("skipped", reason="duplicate", account=hint.account, calls=calls)
            look = await self._read_now(message, hint, self._zendesk)
            calls += look.calls
            if table.get(message.partition, key) == seen:
                break
            await look.gathered.undo()
        done = _outcome(message, key, hint, seen, look)
        done.calls = calls
        done.is_current = lambda: bool(table.get(message.partition, key) == seen)
        done.if_stale = [Record(message.topic, message.partition, key, message.value, message.headers)]
        if done.verdict != "sent":
            await look.gathered.undo()
            return done
        return self._sets.settle(done, message.partition, key, look.gathered.writer)

    async def _read_now(self, message: Incoming, hint: TicketHint, zendesk: RowReader) -> _Look:
        lane = message.envelope.lane_of("live")
        through = _origin(message)

        def sending() -> None:
            nonlocal through
            last = self._positions.arrived.get((message.topic, message.partition), 0)
            through = Origin(message.topic, message.partition, max(last, message.offset))

        row = await zendesk.row(hint.ticket_id, lane, sending)
        gone = row.raw is None
        change = _removed_change(hint) if row.raw is None else _change(hint, row.raw)
        ticket, gathered = await self._whole(change, message, lane, hint.event == _MERGED)
        calls = row.calls + ticket.zendesk_calls
        return _Look(gone, change.changed_at, ticket, gathered, through, calls)


class _Look(NamedTuple):
    gone: bool
    updated: float
    ticket: EnrichedTicket
    gathered: Gathered
    through: Origin
    calls: int


def _outcome(
    message: Incoming, key: bytes, hint: TicketHint, seen: SeenTicket | None, look: _Look
) -> Outcome:
    """Compare what a look found with the ticket's entry in the table ``seen``."""
    done = Outcome("skipped", account=hint.account)
    if seen is None and look.gone:
        done.reason = "gone"
        return done
    if seen is not None and look.updated < seen.updated and not look.gone:
        done.reason = "stale"
        return done
    ticket = look.ticket
    read = digest(encode((ticket.facts, _passages(ticket), ticket.removed)))
    updated = seen.updated if seen is not None and look.gone else look.updated
    version, known = ticket.version, ""
    if seen is not None and seen.version >= ticket.version:
        version, known = seen.version, seen.digest
        if seen.read == read:
            done.reason = "duplicate"
            done.marks = [Mark("seen", key, msgspec.structs.replace(seen, read_through=look.through))]
            return done
    # Two states of a ticket can have one version. The entry names the origin of the one that was sent last,
    # so that a replay can tell which of the two is the newest.
    entry = SeenTicket(version, known, _origin(message), updated, read, look.through)
    done.marks = [Mark("seen", key, entry)]
    ticket = msgspec.structs.replace(
        ticket,
        version=version,
        changed_at=max(hint.hinted_at, ticket.changed_at),
        zendesk_calls=look.calls,
    )
    done.verdict = "sent"
    done.records = [Record(ENRICHED, message.partition, key, encode(ticket), headers_of(ticket))]
    return done


def _passages(ticket: EnrichedTicket) -> list[Passage] | list[str]:
    """Return what tells a ticket's passages from others."""
    return ticket.passages if ticket.parts is None else [ref.digest for ref in ticket.parts.refs]


def _answered(message: Incoming, seen: SeenTicket | None) -> bool:
    """Say whether the last look began after this hint had come."""
    through = seen.read_through if seen is not None else None
    return (
        through is not None
        and (through.topic, through.partition) == (message.topic, message.partition)
        and message.offset <= through.offset
    )


def _origin(message: Incoming) -> Origin:
    return Origin(message.topic, message.partition, message.offset)


def _change(hint: TicketHint, row: msgspec.Raw) -> TicketChange:
    change = change_from_row(row, account=hint.account, source="live")
    if change.ticket_id != hint.ticket_id:
        raise DecodeError(f"asked for ticket {hint.ticket_id}, Zendesk told of {change.ticket_id}")
    return change


def _removed_change(hint: TicketHint) -> TicketChange:
    """Return the change of a ticket that is no longer there. Its version is below any that was seen."""
    return TicketChange(
        account=hint.account,
        ticket_id=hint.ticket_id,
        version=0,
        changed_at=hint.hinted_at,
        source="live",
        ticket=Ticket(id=hint.ticket_id, created_at="", updated_at="", status="deleted"),
    )
