"""The stage enrich: whole tickets from changes, each once, with stand-ins for Zendesk and the tables."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agents.engine.outcomes import Outcome
from agents.testing import InMemoryTables, a_message, a_part_store, settled
from agents.tickets.enrich.stage import Enrich
from schemas.codec import decode, encode
from schemas.errors import PermanentError, RefusedError, UnavailableError, UnknownSchemaError
from schemas.ids import digest
from schemas.messages.tickets import EnrichedTicket, Origin, TicketChange
from schemas.tables import SeenTicket
from schemas.testing import a_change, a_ticket
from schemas.topics import BACKFILL, CHANGES, ENRICHED
from schemas.zendesk import Comment, Ticket, User
from streams.kafka.messages import Incoming
from streams.kafka.positions import Positions
from streams.testing import InMemoryProducer, InMemoryZendesk, settle

PUBLIC = Comment(id=1, public=True, created_at="2024-01-01T00:00:00Z", author_id=7, plain_body="It burns.")
INTERNAL = Comment(id=2, public=False, created_at="2024-01-01T01:00:00Z", author_id=8, plain_body="Call 112.")


class FakeBacklog:
    def __init__(self) -> None:
        self.asked = self.lives = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def wait_while_capped(self) -> None:
        self.asked += 1
        await self.gate.wait()

    def note_live(self) -> None:
        self.lives += 1


class EnrichBench:
    def __init__(self, *, connected: bool = True) -> None:
        self.tables = InMemoryTables()
        self.producer = InMemoryProducer()
        self.zendesk = InMemoryZendesk(comments=[PUBLIC, INTERNAL], users={7: "Ann", 8: "Bob"})
        self.backlog = FakeBacklog()
        self.stage = Enrich(
            self.tables,  # type: ignore[arg-type]
            self.zendesk if connected else None,  # type: ignore[arg-type]
            self.backlog,  # type: ignore[arg-type]
            a_part_store(self.tables, self.producer),
            Positions(),
        )

    async def handle(self, message: Incoming) -> Outcome:
        return await self.stage.handle(message)

    async def settled(self, message: Incoming) -> Outcome:
        """Handle a message, and write its marks as the engine does."""
        return await settled(message, await self.handle(message), self.tables)


def enriched(done: Outcome) -> EnrichedTicket:
    (record,) = done.records
    assert record.topic == ENRICHED
    return decode(EnrichedTicket, record.value, record.headers)


async def test_a_change_becomes_a_whole_ticket() -> None:
    bench = EnrichBench()
    done = await bench.handle(a_message(a_change(), 17, partition=3))
    ticket = enriched(done)
    assert [(p.author, p.visibility, p.text) for p in ticket.passages] == [
        ("Ann", "public", "It burns."),
        ("Bob", "internal", "Call 112."),
    ]
    assert (ticket.origin, ticket.zendesk_calls, done.calls) == (Origin(CHANGES, 3, 17), 1, 1)
    assert (done.records[0].partition, done.records[0].key) == (3, b"acme:1")
    (mark,) = done.marks
    assert (mark.table, mark.key, mark.entry.version, mark.entry.origin) == (
        "seen",
        b"acme:1",
        5,
        ticket.origin,
    )
    assert bench.zendesk.asked == [("comments", 1, "live"), ("names", [1, 2], "live")]


async def test_the_same_again_is_a_duplicate_and_asks_nobody() -> None:
    bench = EnrichBench()
    await bench.settled(a_message(a_change(), 1))
    bench.zendesk.asked.clear()
    done = await bench.handle(a_message(a_change(), 2))
    assert (done.verdict, done.reason, done.records, done.marks) == ("skipped", "duplicate", [], [])
    assert bench.zendesk.asked == []


async def test_an_older_version_is_stale_and_asks_nobody() -> None:
    bench = EnrichBench()
    await bench.settled(a_message(a_change(5), 1))
    bench.zendesk.asked.clear()
    done = await bench.handle(a_message(a_change(4), 2))
    assert (done.verdict, done.reason, done.records) == ("skipped", "stale", [])
    assert bench.zendesk.asked == []


async def test_a_newer_version_and_a_second_change_in_the_same_second_are_wanted() -> None:
    bench = EnrichBench()
    await bench.settled(a_message(a_change(5), 1))
    assert (await bench.settled(a_message(a_change(6), 2))).verdict == "sent"
    other = a_change(6, a_ticket(subject="Put out"))
    assert (await bench.settled(a_message(other, 3))).verdict == "sent"


async def test_the_message_itself_coming_again_after_a_crash_is_a_repeat() -> None:
    bench = EnrichBench()
    await bench.settled(a_message(a_change(5), 17))
    assert (await bench.handle(a_message(a_change(5), 17))).verdict == "repeated"
    # From the other lane with the same offset, it is another message.
    assert (await bench.handle(a_message(a_change(5), 17, topic=BACKFILL))).verdict == "skipped"


async def test_counts_name_the_import() -> None:
    bench = EnrichBench()
    change = a_change(source="import", import_id="i1")
    first = await bench.settled(a_message(change, 1))
    again = await bench.settled(a_message(change, 2))
    assert [(d.account, d.import_id) for d in (first, again)] == [("acme", "i1")] * 2
    assert enriched(first).import_id == "i1"


async def test_what_passed_on_the_other_lane_is_noticed_at_the_end() -> None:
    bench = EnrichBench()
    done = await bench.handle(a_message(a_change(5, source="import"), 1))
    assert done.is_current is not None
    assert done.is_current()
    await bench.settled(a_message(a_change(6), 9))
    assert not done.is_current()
    # The very same state, once from each lane: one of the two is enough.
    again = await bench.handle(a_message(a_change(7), 2))
    await bench.settled(a_message(a_change(7), 3, topic=BACKFILL))
    assert again.is_current is not None
    assert not again.is_current()


async def test_a_backfill_that_may_not_go_on_asks_nobody_and_a_live_change_does() -> None:
    bench = EnrichBench()
    bench.backlog.gate.clear()
    assert (await bench.handle(a_message(a_change()))).verdict == "sent"
    assert (bench.backlog.asked, bench.backlog.lives) == (0, 1)
    waiting = asyncio.create_task(bench.handle(a_message(a_change(source="import"))))
    await settle()
    assert not waiting.done()
    bench.zendesk.asked.clear()
    bench.backlog.gate.set()
    assert (await waiting).verdict == "sent"
    assert {lane for *_, lane in bench.zendesk.asked} == {"backfill"}


async def test_a_removed_ticket_asks_nobody() -> None:
    bench = EnrichBench()
    done = await bench.handle(a_message(a_change(ticket=a_ticket(status="deleted"))))
    assert (enriched(done).removed, enriched(done).passages) == (True, [])
    assert bench.zendesk.asked == []


CLOSED = a_ticket(status="closed", tags=["closed_by_merge"])
MERGE = Comment(
    id=3,
    public=True,
    created_at="2024-01-02T00:00:00Z",
    merged_into=45,
)


@pytest.mark.parametrize(
    ("ticket", "last", "audits", "merged_into", "asked"),
    [
        pytest.param(CLOSED, None, 45, 45, True, id="only its audits tell"),
        pytest.param(CLOSED, MERGE, 99, 45, False, id="its comment tells without a call"),
        pytest.param(a_ticket(status="closed"), MERGE, 99, 45, False, id="and without the tag"),
        pytest.param(CLOSED, None, 0, 0, True, id="a follow-up with the inherited tag"),
        pytest.param(a_ticket(tags=["closed_by_merge"]), None, 45, 0, False, id="the tag by hand"),
        pytest.param(a_ticket(status="closed"), None, 45, 0, False, id="no sign of a merge"),
        pytest.param(a_ticket(), MERGE, 45, 0, False, id="what is open was not merged"),
        pytest.param(a_ticket(45, status="closed"), MERGE, 45, 0, False, id="not into itself"),
    ],
)
async def test_a_merged_ticket_keeps_its_words_and_is_marked_by_the_merge_itself(
    ticket: Ticket, last: Comment | None, audits: int, merged_into: int, asked: bool
) -> None:
    bench = EnrichBench()
    bench.zendesk.comments += [last] if last else []
    bench.zendesk.target = audits
    made = enriched(await bench.handle(a_message(a_change(ticket=ticket))))
    assert (made.removed, [one.text for one in made.passages]) == (False, ["It burns.", "Call 112."])
    assert made.facts.merged_into == merged_into
    assert ("audits" in [what[0] for what in bench.zendesk.asked]) is asked
    assert made.zendesk_calls == 1 + asked


@pytest.mark.parametrize(("ticket", "verdict"), [(CLOSED, "sent"), (a_ticket(status="closed"), "skipped")])
async def test_what_an_earlier_release_took_for_removed_by_a_merge_is_new_once(
    ticket: Ticket, verdict: str
) -> None:
    bench = EnrichBench()
    change = a_change(ticket=ticket, source="import")
    then = digest(encode((change.ticket, change.comments)))
    seen = SeenTicket(change.version, then, Origin(BACKFILL, 0, 1), change.changed_at)
    await bench.tables["seen"].put(0, [(b"acme:1", seen)])
    assert (await bench.settled(a_message(change, 8))).verdict == verdict
    assert (await bench.settled(a_message(change, 9))).verdict == "skipped"


async def test_a_file_s_merged_ticket_is_marked_by_its_own_comments() -> None:
    change = a_change(ticket=a_ticket(status="closed"), source="file", comments=[PUBLIC, MERGE])
    done = await EnrichBench(connected=False).handle(a_message(change, topic=BACKFILL))
    assert enriched(done).facts.merged_into == 45


async def test_a_ticket_whose_comments_are_gone_is_removed() -> None:
    bench = EnrichBench()
    bench.zendesk.error = RefusedError("not found", 404)
    done = await bench.settled(a_message(a_change(5)))
    assert (enriched(done).removed, enriched(done).passages, done.calls) == (True, [], 1)
    assert [asked[0] for asked in bench.zendesk.asked] == ["comments"]
    # The export tells of the deletion in its time.
    bench.zendesk.error = None
    assert (await bench.handle(a_message(a_change(6, a_ticket(status="deleted")), 9))).verdict == "sent"


@pytest.mark.parametrize(
    "error", [RefusedError("forbidden", 403), RefusedError("?"), UnavailableError("away")]
)
async def test_any_other_refusal_is_not_a_deletion(error: Exception) -> None:
    bench = EnrichBench()
    bench.zendesk.error = error
    with pytest.raises(type(error)):
        await bench.handle(a_message(a_change()))


async def test_a_file_brings_its_own_comments() -> None:
    bench = EnrichBench()
    change = a_change(source="file", comments=[PUBLIC])
    done = await bench.handle(a_message(change, topic=BACKFILL))
    assert [p.text for p in enriched(done).passages] == ["It burns."]
    assert [asked[0] for asked in bench.zendesk.asked] == ["names"]


async def test_a_file_without_comments_of_a_ticket_says_so() -> None:
    bench = EnrichBench()
    done = await bench.handle(a_message(a_change(source="file", comments=[]), topic=BACKFILL))
    assert enriched(done).passages == []


async def test_without_an_account_the_description_and_the_file_s_people_are_all_there_is() -> None:
    bench = EnrichBench(connected=False)
    ticket = a_ticket(requester_id=7, is_public=False)
    change = a_change(ticket=ticket, source="file", users=[User(id=7, name="Ann")])
    done = await bench.handle(a_message(change, topic=BACKFILL))
    assert [(p.author, p.visibility, p.text) for p in enriched(done).passages] == [
        ("Ann", "internal", "It burns.")
    ]
    assert enriched(done).facts.requester == "Ann"
    assert done.calls == 0


@pytest.mark.parametrize("key", [None, b"", b"acme:2", b"other:1", b"acme:01"])
async def test_a_message_under_another_ticket_s_key_is_refused(key: bytes | None) -> None:
    message = a_message(a_change())._replace(key=key)
    with pytest.raises(PermanentError, match="its ticket is b'acme:1'"):
        await EnrichBench().handle(message)


async def test_a_message_of_another_schema_is_refused() -> None:
    message = a_message(a_change())._replace(headers=[("schema", b"ticket-change/2")])
    with pytest.raises(UnknownSchemaError):
        await EnrichBench().handle(message)


async def test_comments_are_part_of_what_makes_a_duplicate() -> None:
    bench = EnrichBench()
    await bench.settled(a_message(a_change(source="file", comments=[PUBLIC]), 1, topic=BACKFILL))
    more = a_change(source="file", comments=[PUBLIC, INTERNAL])
    assert (await bench.handle(a_message(more, 2, topic=BACKFILL))).verdict == "sent"
    seen = bench.tables["seen"].get(0, b"acme:1")
    assert isinstance(seen, SeenTicket)


def from_file(version: int, **fields: Any) -> TicketChange:
    return a_change(version, a_ticket(**fields.pop("ticket", {})), source="file", **fields)


async def test_no_file_removes_a_ticket() -> None:
    bench = EnrichBench()
    await bench.settled(a_message(a_change(5), 1))
    removal = from_file(9, ticket={"status": "deleted"})
    done = await bench.settled(a_message(removal, 2, topic=BACKFILL))
    assert (done.verdict, done.reason, done.records, done.marks) == ("skipped", "removal", [], [])
    # And what comes from the account afterwards is not old beside it.
    assert (await bench.settled(a_message(a_change(6), 3))).verdict == "sent"


async def test_a_ticket_of_a_file_that_the_account_does_not_have_is_set_aside() -> None:
    bench = EnrichBench()
    bench.zendesk.error = RefusedError("not found", 404)
    with pytest.raises(RefusedError, match="the account has no ticket 1"):
        await bench.handle(a_message(from_file(9), 2, topic=BACKFILL))


async def test_what_the_account_has_told_stands_against_a_file_of_the_same_version() -> None:
    bench = EnrichBench()
    await bench.settled(a_message(a_change(5), 1))
    for version in (4, 5):
        change = from_file(version, ticket={"subject": "Other"}, comments=[PUBLIC])
        done = await bench.handle(a_message(change, 2, topic=BACKFILL))
        assert (done.verdict, done.reason) == ("skipped", "stale")
    newer = await bench.settled(a_message(from_file(6, comments=[PUBLIC]), 3, topic=BACKFILL))
    assert newer.verdict == "sent"
    # Of one version a file may say more than the file before, and the account's word replaces both.
    again = from_file(6, comments=[PUBLIC, INTERNAL])
    assert (await bench.settled(a_message(again, 4, topic=BACKFILL))).verdict == "sent"
    assert (await bench.settled(a_message(a_change(6), 5))).verdict == "sent"


async def test_a_description_alone_never_replaces_a_ticket_with_its_comments() -> None:
    bench = EnrichBench(connected=False)
    await bench.settled(a_message(from_file(5), 1, topic=BACKFILL))  # nothing better is known
    assert (await bench.settled(a_message(from_file(6), 2, topic=BACKFILL))).verdict == "sent"
    whole = await bench.settled(a_message(from_file(6, comments=[PUBLIC]), 3, topic=BACKFILL))
    assert whole.verdict == "sent"
    done = await bench.settled(a_message(from_file(7), 4, topic=BACKFILL))
    assert (done.verdict, done.reason, done.marks) == ("skipped", "poorer", [])
    assert (
        await bench.settled(a_message(from_file(7, comments=[INTERNAL]), 5, topic=BACKFILL))
    ).verdict == "sent"


async def test_a_file_is_held_against_what_passed_on_the_other_lane_meanwhile() -> None:
    bench = EnrichBench()
    done = await bench.handle(a_message(from_file(6, comments=[PUBLIC]), 1, topic=BACKFILL))
    assert done.is_current is not None and done.is_current()
    await bench.settled(a_message(a_change(6), 9))
    assert not done.is_current()
