"""The stage ``enrich``: a change becomes a whole ticket, with all comments, people and organisation."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing
from functools import partial
from typing import Protocol

from agents.app.tables import Tables
from agents.engine.outcomes import Mark, Outcome
from agents.knowledge.backlog import Backlog
from agents.knowledge.parts import PartStore
from agents.tickets.enrich.dispatch import Dispatch
from agents.tickets.enrich.gathering import Gathered
from agents.tickets.enrich.held_comments import Held, HeldPages
from agents.tickets.enrich.hints import Hints, RowReader, Whole
from agents.tickets.enrich.known_change import KnownChange
from agents.tickets.enrich.pass_through import PassThrough
from schemas.codec import decode_value, encode, headers_of
from schemas.errors import CredentialsError, RefusedError, RetryableError
from schemas.headers.replays import replay_headers
from schemas.lanes import Lane
from schemas.messages.tickets import (
    CommentEvents,
    CommentsPart,
    EmbeddedTicket,
    EnrichedTicket,
    ForgetHeldComments,
    Origin,
    TicketChange,
    TicketHint,
)
from schemas.stages import ENRICH
from schemas.tables import SeenTicket
from schemas.topics import BACKFILL, CHANGES, ENRICHED
from schemas.zendesk import Comment, Ticket
from streams.kafka.messages import Incoming, Record, own_key
from streams.kafka.positions import Positions
from streams.sources.zendesk.comments import Comments
from streams.transforms.names import Names
from streams.transforms.whole_ticket import (
    description_as_comment,
    enriched_ticket,
    is_removed,
    may_be_merged,
    merged_by_comment,
    passages_of,
)

STAGE = ENRICH.name


class ZendeskReader(RowReader, Protocol):
    """What enrich asks of Zendesk."""

    def comment_pages(self, ticket_id: int, lane: Lane) -> AsyncIterator[Comments]:
        """Yield all comments of a ticket page by page, each with the number of calls made."""

    async def merge_target(self, ticket: Ticket, lane: Lane) -> tuple[int, int]:
        """Return the ticket that a closed one was merged into (0: none), and the number of calls made."""

    def known_target(self, ticket: Ticket) -> int:
        """Return the target that earlier calls found for a ticket in this state (0: none), without a call."""

    async def names(self, change: TicketChange, comments: list[Comment], lane: Lane) -> tuple[Names, int]:
        """Return the names of the people, organisation and group, and the number of calls made."""


class Enrich:
    """Handles ``tickets.changes`` and ``tickets.backfill``.

    A whole ticket on ``tickets.backfill`` (see agents.tickets.enrich.pass_through) needs nothing of Zendesk
    and passes on. A replayed change is fetched again even if the table ``seen`` knows it, unless it knows a
    newer one. What a file tells of never removes a ticket (see schemas.versions.standing_of_file for what it
    may replace). Comments that an import has read in bulk are taken from the table ``comments`` (see
    agents.tickets.enrich.held_comments).

    A large ticket is sent on while its comments are read, a part at a time, which ``store`` keeps account of
    (see agents.knowledge.parts).

    ``zendesk`` is None where no account is connected: then only changes that bring their own
    comments, or whose description is all there is, can be enriched.
    """

    def __init__(
        self,
        tables: Tables,
        zendesk: ZendeskReader | None,
        backlog: Backlog,
        store: PartStore,
        positions: Positions,
    ) -> None:
        self._tables = tables
        self._zendesk = zendesk
        self._backlog = backlog
        self._store = store
        self._sets = store.sets[ENRICHED]
        self._hints = Hints(tables, zendesk, self._looked_at, self._sets, positions)
        self._held = Held(tables, positions)
        through = PassThrough(tables, backlog)
        self._dispatch = Dispatch(
            {
                TicketChange: self._handle_change,
                TicketHint: self._hints.handle,
                CommentEvents: self._held.take_in,
                ForgetHeldComments: self._held.over,
            },
            backfill={EnrichedTicket: through.handle, EmbeddedTicket: through.handle},
        )

    async def handle(self, message: Incoming) -> Outcome:
        """Return the enriched ticket, or the reason why none is needed."""
        if message.topic == CHANGES and not message.envelope.replay:
            self._backlog.note_live()
        return await self._dispatch.handle(message)

    async def _handle_change(self, message: Incoming) -> Outcome:
        change = message.decoded(TicketChange)
        key = own_key(message, change.account, change.ticket_id)
        replay = message.envelope.replay
        done = partial(Outcome, account=change.account, import_id=replay or change.import_id)
        if change.source == "file" and change.ticket.status == "deleted":
            # A file never removes a ticket: only the account says that one is gone.
            return done("skipped", reason="removal")
        ahead = change.comment_count is not None and not replay
        held = self._held.of(message.partition, key, change) if ahead else None
        forget = self._held.forget(message.partition, key, change) if ahead else []
        known = KnownChange.of(
            change, _origin(message), replayed=bool(replay), partial=self._is_partial(change, held)
        )
        seen = self._seen(message.partition, key)
        if (before := known.done_before(seen)) is not None:
            verdict, reason = before
            return done(verdict, reason=reason, marks=forget)
        lane = message.envelope.lane_of(change.source)
        if lane == "backfill":
            await self._backlog.wait_while_capped()
        enriched, gathered = await self._enrich(change, message, lane, held)
        headers = headers_of(enriched) + replay_headers(replay)
        outcome = done(
            "sent",
            records=[Record(ENRICHED, message.partition, key, encode(enriched), headers)],
            marks=[Mark("seen", key, known.entry()), *forget],
            calls=enriched.zendesk_calls,
            is_current=lambda: known.is_still_wanted(seen, self._seen(message.partition, key)),
        )
        return self._sets.settle(outcome, message.partition, key, gathered.writer)

    def _seen(self, partition: int, key: bytes) -> SeenTicket | None:
        entry: SeenTicket | None = self._tables["seen"].get(partition, key)
        return entry

    def _is_partial(self, change: TicketChange, held: HeldPages | None) -> bool:
        """Say whether a change's description is all there will be of its ticket."""
        return self._zendesk is None and change.comments is None and change.parts is None and held is None

    async def _looked_at(
        self, change: TicketChange, message: Incoming, lane: Lane, said_merged: bool
    ) -> Whole:
        return await self._enrich(change, message, lane, said_merged=said_merged)

    async def _enrich(
        self,
        change: TicketChange,
        message: Incoming,
        lane: Lane,
        held: HeldPages | None = None,
        said_merged: bool = False,
    ) -> Whole:
        key = own_key(message, change.account, change.ticket_id)
        gathered = Gathered(self._sets, message.partition, key, change.account, change.ticket_id)
        removed = is_removed(change.ticket)
        calls = merged_into = 0
        names = Names()
        try:
            if not removed:
                pages = self._pages(change, message, lane, held)
                try:
                    async with AsyncExitStack() as turn:
                        await turn.enter_async_context(aclosing(pages))
                        async for page in pages:
                            names, more = await self._names(change, page.comments, lane)
                            calls += page.calls + more
                            was_small = gathered.writer is None
                            merged_into = merged_by_comment(change.ticket, page.comments) or merged_into
                            await gathered.add(passages_of(page.comments, names))
                            if was_small and gathered.writer is not None:
                                await turn.enter_async_context(self._store.turn(BACKFILL))
                except RefusedError as error:
                    # The ticket was deleted after the export wrote the row. The export will say so later;
                    # nobody may find the ticket until then.
                    if error.status != 404:
                        raise
                    if change.source == "file":
                        raise RefusedError(
                            f"the account has no ticket {change.ticket_id} (404), and its row in the file "
                            "has no comments",
                            404,
                        ) from error
                    removed, calls = True, calls + 1
                    await gathered.undo()
            if not removed and not merged_into:
                merged_into, more = await self._merge_target(change.ticket, lane, said_merged)
                calls += more
            ticket = enriched_ticket(
                change,
                [],
                names,
                origin=_origin(message),
                now=time.time(),
                removed=removed,
                merged_into=merged_into,
                calls=calls,
            )
            if not ticket.removed:
                ticket = await gathered.into(ticket)
            return Whole(ticket, gathered)
        except (RetryableError, CredentialsError):
            gathered.close()
            raise
        except Exception:
            await gathered.undo()
            raise
        except BaseException:
            gathered.close()
            raise

    async def _pages(
        self, change: TicketChange, message: Incoming, lane: Lane, held: HeldPages | None
    ) -> AsyncGenerator[Comments, None]:
        """Yield a ticket's comments, page by page, at least one page."""
        if change.comments is not None:
            yield Comments(change.comments, [], 0)
        elif change.parts is not None:
            key = own_key(message, change.account, change.ticket_id)
            async for value in self._store.read(message.topic, message.partition, key, change.parts):
                yield Comments(decode_value(CommentsPart, value).comments, [], 0)
        elif held is not None:
            for comments in held():
                yield Comments(comments, [], 0)
        elif self._zendesk is None:
            yield Comments(description_as_comment(change.ticket), [], 0)
        else:
            async for page in self._zendesk.comment_pages(change.ticket_id, lane):
                yield page

    async def _merge_target(self, ticket: Ticket, lane: Lane, said_merged: bool) -> tuple[int, int]:
        """Return what a ticket's audits say it was merged into (0: nothing, or not asked), and the calls."""
        if self._zendesk is None:
            return 0, 0
        if not may_be_merged(ticket, said_merged):
            return self._zendesk.known_target(ticket), 0
        return await self._zendesk.merge_target(ticket, lane)

    async def _names(self, change: TicketChange, comments: list[Comment], lane: Lane) -> tuple[Names, int]:
        if self._zendesk is None:
            return Names(users={user.id: user.name for user in change.users or ()}), 0
        return await self._zendesk.names(change, comments, lane)


def _origin(message: Incoming) -> Origin:
    return Origin(message.topic, message.partition, message.offset)
