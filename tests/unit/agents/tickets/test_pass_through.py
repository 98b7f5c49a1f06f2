"""Whole tickets on the backfill lane: passed on as they are, unless a newer version has passed enrich."""

from __future__ import annotations

from typing import Any

import pytest

from agents.engine.outcomes import Outcome
from agents.knowledge.embed.stage import Embed
from agents.knowledge.index.stage import Index
from agents.testing import InMemoryIndex, InMemoryTables, a_message, a_part_store
from agents.tickets.enrich.stage import Enrich
from schemas.errors import PermanentError
from schemas.headers.replays import REPLAY_HEADER, replay_of
from schemas.messages.tickets import Origin, Receipt
from schemas.tables import IndexedTicket, SeenTicket
from schemas.testing import ORIGIN, a_change, an_embedded, an_enriched
from schemas.topics import BACKFILL, CHANGES, EMBEDDED, ENRICHED
from streams.kafka.messages import Incoming
from streams.kafka.positions import Positions
from streams.testing import InMemoryBatcher, InMemoryProducer

ANOTHER = Origin(CHANGES, 0, 9)
KEY = b"acme:1"


class Backlog:
    """Room enough; what happens meanwhile is up to the test."""

    def __init__(self) -> None:
        self.meanwhile: list[Any] = []

    async def wait_while_capped(self, *, embeds: bool = True) -> None:
        for action in self.meanwhile:
            await action

    def note_live(self) -> None: ...


class PassThroughBench:
    def __init__(self) -> None:
        self.tables = InMemoryTables()
        self.backlog = Backlog()
        self.stage = Enrich(self.tables, None, self.backlog, a_part_store(self.tables), Positions())  # type: ignore[arg-type]

    async def seen(self, version: int, origin: Origin) -> None:
        await self.tables["seen"].put(0, [(KEY, SeenTicket(version, "d", origin))])

    async def handle(self, ticket: Any, replay: str = "r1", **changes: Any) -> Outcome:
        message = passing(ticket, replay)
        return await self.stage.handle(message._replace(**changes))


def passing(ticket: Any, replay: str = "r1") -> Incoming:
    """Return a whole ticket as it lies on the backfill lane."""
    message = a_message(ticket)
    headers = [*message.headers, *([(REPLAY_HEADER, replay.encode())] if replay else [])]
    return message._replace(topic=BACKFILL, headers=headers, offset=50)


@pytest.fixture
def bench() -> PassThroughBench:
    return PassThroughBench()


@pytest.mark.parametrize(
    ("ticket", "topic"), [(an_enriched(5), ENRICHED), (an_embedded(5, ["Hello"]), EMBEDDED)]
)
async def test_the_newest_passes_on_byte_for_byte(bench: PassThroughBench, ticket: Any, topic: str) -> None:
    await bench.seen(5, ORIGIN)
    done = await bench.handle(ticket)
    assert (done.verdict, done.account, done.import_id, done.marks) == ("sent", "acme", "r1", [])
    (record,) = done.records
    sent = passing(ticket)
    assert record == (topic, 0, KEY, sent.value, sent.headers)
    assert done.is_current is not None
    assert done.is_current()


async def test_without_a_replay_it_passes_too_and_belongs_to_no_import(bench: PassThroughBench) -> None:
    await bench.seen(5, ORIGIN)
    done = await bench.handle(an_enriched(5, import_id="i9"), replay="")
    assert (done.verdict, done.import_id) == ("sent", "")


@pytest.mark.parametrize(
    ("version", "origin"),
    [(6, ANOTHER), (6, ORIGIN), (5, ANOTHER)],
)
async def test_an_older_state_goes_nowhere(bench: PassThroughBench, version: int, origin: Origin) -> None:
    await bench.seen(version, origin)
    done = await bench.handle(an_embedded(5, ["Hello"]))
    assert (done.verdict, done.reason, done.import_id, done.records) == ("skipped", "stale", "r1", [])


async def test_a_version_that_enrich_has_never_sent_goes_nowhere(bench: PassThroughBench) -> None:
    # Poison that says it is from far ahead: noted as seen, it would make every real change stale.
    for origin in (ORIGIN, ANOTHER):
        await bench.seen(4, origin)
        done = await bench.handle(an_embedded(1_000_005, ["Hello"]), replay="")
        assert (done.verdict, done.records, done.marks) == ("skipped", [], [])


async def test_a_newer_one_that_passes_meanwhile_wins(bench: PassThroughBench) -> None:
    await bench.seen(5, ORIGIN)
    done = await bench.handle(an_enriched(5))
    await bench.seen(6, ANOTHER)
    assert done.is_current is not None
    assert not done.is_current()


async def test_a_ticket_the_table_does_not_know_is_remembered(bench: PassThroughBench) -> None:
    done = await bench.handle(an_enriched(5))
    (mark,) = done.marks
    assert (mark.table, mark.key, mark.entry) == ("seen", KEY, SeenTicket(5, "", ORIGIN))


async def test_an_entry_made_while_it_waits_for_room_stays(bench: PassThroughBench) -> None:
    bench.backlog.meanwhile = [bench.seen(6, ANOTHER)]
    done = await bench.handle(an_enriched(5))
    assert done.marks == []
    assert done.is_current is not None
    assert not done.is_current()


async def test_what_is_no_ticket_or_lies_under_another_key_is_refused(bench: PassThroughBench) -> None:
    with pytest.raises(PermanentError, match="not a message of"):
        await bench.handle(an_enriched(5), value=b"{")
    with pytest.raises(PermanentError, match="its ticket is"):
        await bench.handle(an_enriched(5), key=b"acme:2")


async def test_a_whole_ticket_on_the_live_topic_is_refused(bench: PassThroughBench) -> None:
    with pytest.raises(PermanentError):
        await bench.handle(an_enriched(5), topic=CHANGES)


async def test_a_replayed_change_is_fetched_again_but_not_over_a_newer_one(bench: PassThroughBench) -> None:
    first = a_message(a_change(5), 7)
    done = await bench.stage.handle(first)
    await bench.tables["seen"].put(0, [(done.marks[0].key, done.marks[0].entry)])
    assert (await bench.stage.handle(first._replace(offset=8))).reason == "duplicate"

    again = first._replace(topic=BACKFILL, offset=60, headers=[*first.headers, (REPLAY_HEADER, b"r1")])
    done = await bench.stage.handle(again)
    assert (done.verdict, done.import_id) == ("sent", "r1")
    assert replay_of(done.records[0].headers) == "r1"
    assert done.is_current is not None
    assert done.is_current()
    await bench.tables["seen"].put(0, [(done.marks[0].key, done.marks[0].entry)])
    assert (await bench.stage.handle(again)).verdict == "repeated"  # after a crash

    await bench.seen(6, ANOTHER)
    assert not done.is_current()
    assert (await bench.stage.handle(again._replace(offset=61))).reason == "stale"


async def test_embed_sends_the_header_on_and_counts_for_the_replay() -> None:
    tables = InMemoryTables()
    store = a_part_store(tables)
    batcher = InMemoryBatcher()
    stage = Embed(tables, batcher, None, store=store, collection="Tickets_test_4_c1", dimensions=4)  # type: ignore[arg-type]
    done = await stage.handle(passing(an_enriched(5, import_id="i1", removed=True))._replace(topic=ENRICHED))
    assert done.import_id == "r1"
    assert replay_of(done.records[0].headers) == "r1"
    assert batcher.calls == 0


async def test_index_writes_a_replayed_ticket_it_knows_and_looks_for_left_overs() -> None:
    tables, writer = InMemoryTables(), InMemoryIndex()
    stage = Index(tables, writer, a_part_store(tables), frozenset({"acme"}))  # type: ignore[arg-type]
    plain = a_message(an_embedded(5, ["Hello"], import_id="i1"))
    first = await stage.handle(plain)
    await tables["indexed"].put(0, [(first.marks[0].key, first.marks[0].entry)])
    assert (await stage.handle(plain)).verdict == "repeated"
    assert len(writer.items) == 1

    done = await stage.handle(passing(an_embedded(5, ["Hello"], import_id="i1"))._replace(topic=EMBEDDED))
    assert (done.verdict, done.import_id, done.changed_at) == ("sent", "r1", None)
    assert (writer.items[1].stale_ids, writer.calls[1][2]) == (None, "backfill")  # source is live
    producer = InMemoryProducer()
    await producer.send(done.records)
    (receipt,) = producer.messages(Receipt)
    assert (receipt.import_id, receipt.outcome, receipt.vectors_written) == ("r1", "indexed", 1)

    entry: IndexedTicket = first.marks[0].entry
    entry.version = 6
    await tables["indexed"].put(0, [(KEY, entry)])
    done = await stage.handle(passing(an_embedded(5, ["Hello"]))._replace(topic=EMBEDDED))
    assert (done.verdict, done.reason, len(writer.items)) == ("skipped", "stale", 2)
