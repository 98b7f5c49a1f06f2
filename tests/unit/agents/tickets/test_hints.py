"""Hints at the stage enrich: a look at Zendesk for each, and nothing lost, lowered or brought back."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from agents.engine.outcomes import Outcome
from agents.knowledge.backlog import Backlog
from agents.testing import InMemoryTables, a_message, a_part_store, settled
from agents.tickets.enrich.pass_through import is_wanted
from agents.tickets.enrich.stage import Enrich
from schemas.codec import decode, encode, headers_of
from schemas.errors import DecodeError, PermanentError, RefusedError, UnavailableError
from schemas.messages.tickets import EnrichedTicket, Origin, TicketHint, WholeTicket
from schemas.tables import SeenTicket
from schemas.testing import a_change, a_ticket
from schemas.topics import BACKFILL, CHANGES, ENRICHED
from schemas.zendesk import Comment
from streams.kafka.messages import Incoming
from streams.kafka.positions import Positions
from streams.testing import InMemoryZendesk, settle

KEY = b"acme:1"
AT = {"2024-01-02T00:00:00Z": 1_704_153_600, "2024-01-03T00:00:00Z": 1_704_240_000}
SECOND, THIRD = AT
SAID = Comment(id=1, public=True, created_at="2024-01-01T00:00:00Z", author_id=7, plain_body="It burns.")
HIDDEN = msgspec.structs.replace(SAID, public=False)


class HintsBench:
    def __init__(self, *, connected: bool = True) -> None:
        self.tables = InMemoryTables()
        self.zendesk = InMemoryZendesk(a_ticket(), [SAID], users={7: "Ann"})
        self.zendesk.target = 45
        self.positions = Positions()
        self.stage = Enrich(
            self.tables,  # type: ignore[arg-type]
            self.zendesk if connected else None,
            Backlog(self.positions, 10, 10),
            a_part_store(self.tables),
            self.positions,
        )

    async def settled(self, message: Incoming) -> Outcome:
        """Handle a message, and settle it as the engine does."""
        return await self.settle(message, await self.stage.handle(message))

    async def settle(self, message: Incoming, done: Outcome) -> Outcome:
        return await settled(message, done, self.tables)

    @property
    def seen(self) -> SeenTicket | None:
        found: SeenTicket | None = self.tables["seen"].get(0, KEY)
        return found


def a_hint(offset: int = 9, *, topic: str = CHANGES, **fields: Any) -> Incoming:
    given: dict[str, Any] = {"account": "acme", "ticket_id": 1, "hinted_at": 1000.0}
    hint = TicketHint(**(given | fields))
    return Incoming(topic, 0, offset, KEY, encode(hint), headers_of(hint))


def sent(done: Outcome) -> EnrichedTicket:
    assert done.verdict == "sent"
    (record,) = done.records
    assert (record.topic, record.key) == (ENRICHED, KEY)
    return decode(EnrichedTicket, record.value, record.headers)


def texts(done: Outcome) -> list[tuple[str, str]]:
    return [(passage.visibility, passage.text) for passage in sent(done).passages]


async def test_a_hint_of_a_ticket_never_seen_brings_it_whole() -> None:
    bench = HintsBench()
    done = await bench.settled(a_hint())
    ticket = sent(done)
    assert (ticket.version, ticket.source, ticket.origin) == (AT[SECOND], "live", Origin(CHANGES, 0, 9))
    assert texts(done) == [("public", "It burns.")]
    assert (ticket.zendesk_calls, done.calls, bench.zendesk.count("row")) == (2, 2, 1)
    assert bench.seen is not None
    assert (bench.seen.version, bench.seen.digest) == (AT[SECOND], "")


async def test_generated_timestamp_is_the_version_where_zendesk_tells_it() -> None:
    bench = HintsBench()
    bench.zendesk.ticket = a_ticket(generated_timestamp=1_800_000_000)
    assert sent(await bench.settled(a_hint())).version == 1_800_000_000


async def test_a_hint_never_lowers_a_version_and_brings_comments_that_changed_alone() -> None:
    bench = HintsBench()
    await bench.settled(a_message(a_change(1_900_000_000, changed_at=float(AT[SECOND])), 3))
    bench.zendesk.comments = [HIDDEN]
    done = await bench.settled(a_hint())
    assert sent(done).version == 1_900_000_000
    assert texts(done) == [("internal", "It burns.")]
    assert bench.seen is not None
    assert (bench.seen.version, bench.seen.origin.offset) == (1_900_000_000, 9)
    assert bench.seen.digest
    # By the origin a replay tells the newest of two states of one version.
    assert is_wanted(msgspec.convert(msgspec.to_builtins(sent(done)), WholeTicket), bench.seen)
    again = await bench.settled(a_hint(10))
    assert again.reason == "duplicate"
    assert is_wanted(msgspec.convert(msgspec.to_builtins(sent(done)), WholeTicket), bench.seen)


async def test_a_second_hint_finds_nothing_new_and_says_nothing() -> None:
    bench = HintsBench()
    await bench.settled(a_hint(9))
    done = await bench.settled(a_hint(10))
    assert (done.verdict, done.reason, done.records, done.calls) == ("skipped", "duplicate", [], 2)
    bench.zendesk.comments = [HIDDEN]
    assert texts(await bench.settled(a_hint(11))) == [("internal", "It burns.")]


async def test_hints_that_had_come_before_the_look_are_answered_by_it() -> None:
    bench = HintsBench()
    bench.positions.arrived[CHANGES, 0] = 12
    await bench.settled(a_hint(9))
    for offset in (9, 10, 12):
        done = await bench.settled(a_hint(offset))
        assert (done.verdict, done.reason) == ("skipped", "duplicate")
    assert bench.zendesk.count("row") == 1
    await bench.settled(a_hint(13))
    assert bench.zendesk.count("row") == 2
    # Another topic's offsets say nothing.
    await bench.settled(a_hint(9, topic=BACKFILL))
    assert bench.zendesk.count("row") == 3


async def test_the_export_s_row_of_the_same_version_is_read_all_the_same() -> None:
    bench = HintsBench()
    await bench.settled(a_hint())
    bench.zendesk.comments = [SAID, msgspec.structs.replace(SAID, id=2, plain_body="More.")]
    change = a_change(AT[SECOND], changed_at=float(AT[SECOND]))
    done = await bench.settled(a_message(change, 20))
    assert len(sent(done).passages) == 2
    assert (await bench.settled(a_message(change, 21))).reason == "duplicate"


async def test_a_ticket_that_is_gone_is_removed_and_late_hints_do_not_bring_it_back() -> None:
    bench = HintsBench()
    await bench.settled(a_message(a_change(50), 3))
    bench.zendesk.ticket = None
    ticket = sent(await bench.settled(a_hint(9)))
    assert (ticket.removed, ticket.passages, ticket.version) == (True, [], 50)
    for offset in (10, 11):
        assert (await bench.settled(a_hint(offset))).reason == "duplicate"
    # Nor does the row that told of it before it went, coming again.
    assert (await bench.settled(a_message(a_change(50), 12))).reason == "duplicate"
    # The export's word of the deletion is newer, and so is its return.
    gone = a_change(60, a_ticket(status="deleted"))
    assert sent(await bench.settled(a_message(gone, 13))).removed
    bench.zendesk.ticket = a_ticket(updated_at=THIRD)
    assert not sent(await bench.settled(a_hint(14))).removed


async def test_a_ticket_whose_comments_are_gone_is_removed() -> None:
    bench = HintsBench()
    await bench.settled(a_message(a_change(50), 3))
    bench.zendesk.error = RefusedError("not found", 404)
    assert sent(await bench.settled(a_hint())).removed


async def test_a_deleted_ticket_is_removed() -> None:
    bench = HintsBench()
    bench.zendesk.ticket = a_ticket(status="deleted")
    assert sent(await bench.settled(a_hint())).removed
    assert bench.zendesk.count("comments") == 0


@pytest.mark.parametrize("tags", [["closed_by_merge"], []])
async def test_word_of_a_merge_has_zendesk_asked_into_what(tags: list[str]) -> None:
    bench = HintsBench()
    bench.zendesk.ticket = a_ticket(status="closed", tags=tags)
    first = sent(await bench.settled(a_hint(event="ticket.merged")))
    assert (first.removed, first.facts.merged_into) == (False, 45)
    # Looked at again, it is as it was: nothing to send.
    assert (await bench.settled(a_hint(9, event="ticket.merged"))).reason == "duplicate"
    # Should Zendesk say otherwise one day, the mark goes.
    bench.zendesk.target = 0
    assert sent(await bench.settled(a_hint(10, event="ticket.merged"))).facts.merged_into == 0


async def test_the_export_keeps_what_word_of_a_merge_had_found() -> None:
    bench = HintsBench()
    bench.zendesk.ticket = closed = a_ticket(status="closed")
    assert sent(await bench.settled(a_hint(event="ticket.merged"))).facts.merged_into == 45
    row = a_change(AT[SECOND] + 1, closed, changed_at=float(AT[SECOND]))
    assert sent(await bench.settled(a_message(row, 20))).facts.merged_into == 45


async def test_word_of_something_else_has_no_audits_asked() -> None:
    bench = HintsBench()
    bench.zendesk.ticket = a_ticket(status="closed")
    assert sent(await bench.settled(a_hint(event="ticket.status_changed"))).facts.merged_into == 0


async def test_a_ticket_that_never_was_leaves_nothing() -> None:
    bench = HintsBench()
    bench.zendesk.ticket = None
    done = await bench.settled(a_hint())
    assert (done.verdict, done.reason, done.records, done.marks) == ("skipped", "gone", [], [])


async def test_an_answer_older_than_what_was_seen_is_not_believed() -> None:
    bench = HintsBench()
    new = a_change(AT[THIRD], a_ticket(updated_at=THIRD), changed_at=float(AT[THIRD]))
    await bench.settled(a_message(new, 3))
    done = await bench.settled(a_hint())  # Zendesk's copy still says SECOND
    assert (done.verdict, done.reason, done.records) == ("skipped", "stale", [])
    bench.zendesk.ticket = a_ticket(updated_at=THIRD)
    assert sent(await bench.settled(a_hint(10))).version == AT[THIRD]


async def test_a_change_that_passes_during_a_look_has_it_look_again() -> None:
    bench = HintsBench()
    bench.zendesk.gate.clear()
    looking = asyncio.create_task(bench.stage.handle(a_hint()))
    await settle()
    await bench.tables["seen"].put(0, [(KEY, SeenTicket(1_900_000_000, "x", Origin(BACKFILL, 0, 1)))])
    bench.zendesk.comments = [HIDDEN]
    bench.zendesk.gate.set()
    done = await looking
    assert bench.zendesk.count("row") == 2
    assert (sent(done).version, texts(done), done.calls) == (1_900_000_000, [("internal", "It burns.")], 4)


async def test_a_change_that_passes_after_the_look_puts_the_hint_back() -> None:
    bench = HintsBench()
    message = a_hint()
    done = await bench.stage.handle(message)
    await bench.settled(a_message(a_change(1_900_000_000, source="import"), 1))
    (again,) = (await bench.settle(message, done)).records
    assert (again.topic, again.key, again.value, list(again.headers)) == (
        CHANGES,
        KEY,
        message.value,
        message.headers,
    )
    assert bench.seen is not None
    assert bench.seen.version == 1_900_000_000


async def test_comments_read_before_a_look_do_not_overwrite_it() -> None:
    bench = HintsBench()
    message = a_message(a_change(AT[SECOND], source="import", import_id="i1"), 1)
    bench.zendesk.gate.clear()
    reading = asyncio.create_task(bench.stage.handle(message))
    await settle()
    bench.zendesk.comments = [HIDDEN]
    bench.zendesk.gate.set()
    await bench.settled(a_hint())
    assert (await bench.settle(message, await reading)).reason == "stale"
    # A newer version is wanted whoever looked.
    newer = a_message(a_change(AT[SECOND] + 1, source="import"), 2)
    assert (await bench.settled(newer)).verdict == "sent"


async def test_when_the_change_was_made_is_what_freshness_counts_from() -> None:
    bench = HintsBench()
    at = float(AT[SECOND])
    assert sent(await bench.settled(a_hint(9, hinted_at=at - 5))).changed_at == at
    bench.zendesk.comments = [HIDDEN]
    assert sent(await bench.settled(a_hint(10, hinted_at=at + 5))).changed_at == at + 5


async def test_without_an_account_nobody_can_be_asked() -> None:
    done = await HintsBench(connected=False).settled(a_hint())
    assert (done.verdict, done.reason) == ("skipped", "no account")


async def test_what_can_never_be_answered_is_refused() -> None:
    bench = HintsBench()
    with pytest.raises(PermanentError, match="its ticket is b'acme:2'"):
        await bench.stage.handle(a_hint(ticket_id=2))
    with pytest.raises(DecodeError):
        await bench.stage.handle(a_hint()._replace(value=b'{"account": 1}'))
    bench.zendesk.raw = b'{"id": null}'
    with pytest.raises(DecodeError, match="not a ticket"):
        await bench.stage.handle(a_hint())
    bench.zendesk.raw = encode(a_ticket(2))
    with pytest.raises(DecodeError, match="told of 2"):
        await bench.stage.handle(a_hint())
    bench.zendesk.raw = None
    bench.zendesk.error = UnavailableError("away")
    with pytest.raises(UnavailableError):
        await bench.stage.handle(a_hint())
    assert bench.seen is None
