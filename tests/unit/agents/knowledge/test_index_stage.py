"""The stage index: what the sink is asked for, what is remembered, and what is told."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from agents.engine.outcomes import Outcome
from agents.knowledge.index.stage import Index
from agents.testing import InMemoryIndex, InMemoryTables, a_message, a_part_store, settled
from schemas.codec import decode, encode
from schemas.errors import DecodeError, PermanentError, RefusedError
from schemas.headers.replays import replay_headers
from schemas.ids import chunk_id, digest
from schemas.messages.tickets import EmbeddedTicket, Origin, Receipt
from schemas.tables import IndexedTicket
from schemas.testing import FACTS, an_embedded
from schemas.topics import BACKFILL, CHANGES, INDEXED
from schemas.vectors import encode_vector
from streams.kafka.messages import Incoming


class IndexBench:
    def __init__(self, *empty_accounts: str) -> None:
        self.tables = InMemoryTables()
        self.writer = InMemoryIndex()
        self.stage = Index(
            self.tables,  # type: ignore[arg-type]
            self.writer,
            a_part_store(self.tables),
            frozenset(empty_accounts),
        )

    async def settled(self, ticket: EmbeddedTicket, offset: int = 7, **more: Any) -> Outcome:
        message = a_message(ticket, offset, **more)
        return await settled(message, await self.stage.handle(message), self.tables)


def receipt(done: Outcome) -> Receipt:
    (record,) = done.records
    assert record.topic == INDEXED
    return decode(Receipt, record.value, record.headers)


def origin(offset: int) -> Origin:
    return Origin(CHANGES, 0, offset)


async def test_a_ticket_is_written_remembered_and_told() -> None:
    bench = IndexBench()
    done = await bench.settled(an_embedded(public=["a", "b"], internal=["c"], import_id="i1"), partition=3)
    assert bench.writer.calls == [("Tickets_test_4_c1_s2", 4, "live")]
    (item,) = bench.writer.items
    assert [(u.visibility, u.chunk_index, u.text) for u in item.upserts] == [
        ("public", 0, "a"),
        ("public", 1, "b"),
        ("internal", 0, "c"),
    ]
    assert item.upserts[1].vector.tolist() == [1, 0, 0, 1]
    assert item.stale_ids is None  # what an unknown ticket may have left is for the sink to find out
    entry = bench.tables["indexed"].get(3, b"acme:1")
    assert isinstance(entry, IndexedTicket)
    assert (entry.version, entry.public, entry.internal) == (5, ["hash of a", "hash of b"], ["hash of c"])
    told = receipt(done)
    assert (told.outcome, told.chunks, told.vectors_written, told.import_id) == ("indexed", 3, 3, "i1")
    assert (done.verdict, done.vectors, done.changed_at) == ("sent", 3, 1000.0)
    assert (done.records[0].partition, done.records[0].key) == (3, b"acme:1")


async def test_a_backfill_does_not_count_as_fresh() -> None:
    bench = IndexBench()
    done = await bench.settled(an_embedded(public=["a"], source="import"))
    assert done.changed_at is None
    assert bench.writer.calls[0][2] == "backfill"


async def test_what_was_searchable_already_does_not_count_as_fresh() -> None:
    bench = IndexBench()
    assert (await bench.settled(an_embedded(5, public=["a"], origin=origin(1)))).changed_at == 1000.0
    # A webhook brought it, and a minute later the export tells of the same.
    again = await bench.settled(an_embedded(6, public=["a"], origin=origin(2)))
    assert (receipt(again).outcome, again.changed_at) == ("unchanged", None)


async def test_what_a_ticket_no_longer_has_is_named() -> None:
    bench = IndexBench()
    await bench.settled(an_embedded(5, public=["a", "b", "c"], internal=["d", "e"], origin=origin(1)))
    done = await bench.settled(an_embedded(6, public=["a"], internal=["d", "x"], origin=origin(2)))
    item = bench.writer.items[-1]
    assert set(item.stale_ids or ()) == {chunk_id("acme", 1, "public", 1), chunk_id("acme", 1, "public", 2)}
    assert len(item.upserts) == 3
    assert receipt(done).objects_deleted == 2
    await bench.settled(an_embedded(7, public=["a"], origin=origin(3)))
    assert set(bench.writer.items[-1].stale_ids or ()) == {
        chunk_id("acme", 1, "internal", 0),
        chunk_id("acme", 1, "internal", 1),
    }


async def test_a_text_made_private_leaves_its_public_object() -> None:
    bench = IndexBench()
    await bench.settled(an_embedded(5, public=["a"], origin=origin(1)))
    await bench.settled(an_embedded(6, internal=["a"], origin=origin(2)))
    assert bench.writer.items[-1].stale_ids == [chunk_id("acme", 1, "public", 0)]
    assert [u.visibility for u in bench.writer.items[-1].upserts] == ["internal"]


async def test_in_a_new_collection_nothing_is_known_of_a_ticket() -> None:
    bench = IndexBench()
    await bench.settled(an_embedded(5, public=["a", "b"], origin=origin(1)))
    await bench.settled(an_embedded(5, public=["a"], origin=origin(1), collection="Tickets_new_4_c1"))
    assert [call[0] for call in bench.writer.calls] == ["Tickets_test_4_c1_s2", "Tickets_new_4_c1_s2"]
    assert bench.writer.items[-1].stale_ids is None


@pytest.mark.parametrize(
    ("ticket", "outcome", "verdict"),
    [
        (an_embedded(5, public=["a"], origin=origin(1)), "repeat", "repeated"),
        (an_embedded(5, public=["a"], origin=origin(2)), "duplicate", "skipped"),
        (an_embedded(4, public=["a"], origin=origin(2)), "stale", "skipped"),
        (an_embedded(4, public=["b"], origin=origin(1)), "stale", "skipped"),
    ],
)
async def test_what_needs_no_effect_has_none(ticket: EmbeddedTicket, outcome: str, verdict: str) -> None:
    bench = IndexBench()
    await bench.settled(an_embedded(5, public=["a"], origin=origin(1)))
    before = dict(bench.tables["indexed"].entries)
    done = await bench.settled(ticket, 8)
    assert (receipt(done).outcome, done.verdict, done.reason) == (outcome, verdict, outcome)
    assert (done.vectors, done.marks) == (0, [])
    assert len(bench.writer.items) == 1
    assert bench.tables["indexed"].entries == before


async def test_a_newer_version_with_the_same_content_moves_the_version_only() -> None:
    bench = IndexBench()
    await bench.settled(an_embedded(5, public=["a"], origin=origin(1)))
    done = await bench.settled(an_embedded(6, public=["a"], origin=origin(2)))
    assert (receipt(done).outcome, done.verdict, done.vectors) == ("unchanged", "sent", 0)
    assert len(bench.writer.items) == 1
    assert bench.tables["indexed"].get(0, b"acme:1").version == 6
    assert (await bench.settled(an_embedded(5, public=["z"], origin=origin(3)))).reason == "stale"


async def test_the_same_content_with_a_vector_nobody_can_read_does_not_raise_the_version() -> None:
    bench = IndexBench()
    await bench.settled(an_embedded(5, public=["a"], origin=origin(1)))
    poison = an_embedded(6, public=["a"], origin=origin(2))
    for chunk in poison.chunks:
        chunk.vector = "not base64!"
    with pytest.raises(PermanentError, match="not base64"):
        await bench.settled(poison)
    assert bench.tables["indexed"].get(0, b"acme:1").version == 5


async def test_another_property_is_another_content() -> None:
    bench = IndexBench()
    await bench.settled(an_embedded(5, public=["a"], origin=origin(1)))
    facts = msgspec.structs.replace(FACTS, status="solved")
    done = await bench.settled(an_embedded(6, public=["a"], facts=facts, origin=origin(2)))
    assert receipt(done).outcome == "indexed"
    assert bench.writer.items[-1].facts.status == "solved"


async def test_a_removed_ticket_goes_and_what_it_was_is_remembered() -> None:
    bench = IndexBench()
    await bench.settled(an_embedded(5, public=["a"], origin=origin(1)))
    done = await bench.settled(an_embedded(6, removed=True, origin=origin(2)))
    assert bench.writer.items[-1].removed
    assert (receipt(done).outcome, done.verdict) == ("removed", "sent")
    entry = bench.tables["indexed"].get(0, b"acme:1")
    assert (entry.removed, entry.public, entry.version) == (True, [], 6)
    # An older state must not bring it back; a newer one may.
    assert (await bench.settled(an_embedded(5, public=["a"], origin=origin(3)))).reason == "stale"
    assert receipt(await bench.settled(an_embedded(7, public=["a"], origin=origin(4)))).outcome == "indexed"


async def test_chunks_in_any_order_are_the_same_ticket() -> None:
    bench = IndexBench()
    ticket = an_embedded(5, public=["a", "b"], internal=["c"], origin=origin(1))
    await bench.settled(ticket)
    ticket.chunks.reverse()
    assert (await bench.settled(ticket)).verdict == "repeated"


async def test_a_ticket_the_sink_refuses_is_an_error_and_remembered_nowhere() -> None:
    bench = IndexBench()
    bench.writer.error = RefusedError("no such property", 422)
    with pytest.raises(RefusedError, match="no such property"):
        await bench.settled(an_embedded(public=["a"]))
    assert bench.tables["indexed"].entries == {}


async def test_a_vector_of_the_wrong_size_never_reaches_the_sink() -> None:
    bench = IndexBench()
    ticket = an_embedded(public=["a"])
    ticket.chunks[0].vector = encode_vector([1.0, 2.0])
    with pytest.raises(DecodeError, match="2 dimensions where 4 were expected"):
        await bench.settled(ticket)
    assert bench.writer.items == []


async def test_a_message_under_another_ticket_s_key_is_refused() -> None:
    message: Incoming = a_message(an_embedded(public=["a"]))._replace(key=b"other:1")
    with pytest.raises(PermanentError, match="its ticket is b'acme:1'"):
        await IndexBench().stage.handle(message)


@pytest.mark.parametrize("name", ["", "Other_test_4_c1", "Tickets", "Tickets_", "Tickets_a/b", "Tickets_a b"])
async def test_a_collection_that_is_not_ours_is_refused(name: str) -> None:
    bench = IndexBench()
    with pytest.raises(PermanentError, match="is no collection of ticketstream's"):
        await bench.settled(an_embedded(public=["a"], collection=name))
    assert bench.writer.items == []


@pytest.mark.parametrize(
    ("named", "written"),
    [
        ("Tickets_test_4_c1", "Tickets_test_4_c1_s2"),
        ("Tickets_test_4_c1_s2", "Tickets_test_4_c1_s2"),
        ("Tickets_test_4_c1_s9", "Tickets_test_4_c1_s9"),
        ("Tickets_test", "Tickets_test"),
    ],
)
async def test_what_was_embedded_for_an_older_schema_goes_into_the_present_one(
    named: str, written: str
) -> None:
    bench = IndexBench()
    await bench.settled(an_embedded(5, public=["a"], origin=origin(1), collection=named))
    assert [call[0] for call in bench.writer.calls] == [written]


async def test_in_an_account_that_was_empty_an_unknown_ticket_has_left_nothing() -> None:
    bench = IndexBench("acme")
    await bench.settled(an_embedded(5, public=["a", "b"], origin=origin(1)))
    await bench.settled(an_embedded(5, public=["a"], origin=origin(1), account="other"))
    assert [item.stale_ids for item in bench.writer.items] == [[], None]
    await bench.settled(an_embedded(6, public=["a"], origin=origin(2)))
    assert bench.writer.items[-1].stale_ids == [chunk_id("acme", 1, "public", 1)]


async def test_of_two_changes_in_one_second_the_later_one_stays() -> None:
    bench = IndexBench()
    await bench.settled(an_embedded(5, public=["a"], origin=origin(1)))
    await bench.settled(an_embedded(5, removed=True, origin=origin(2)))
    late = await bench.settled(an_embedded(5, public=["a"], origin=origin(1)), offset=9)
    assert (receipt(late).outcome, late.marks, len(bench.writer.items)) == ("stale", [], 2)
    # Of another lane nobody can tell: what is removed stays so, unless somebody wants it written again.
    other = an_embedded(5, public=["b"], origin=Origin(BACKFILL, 0, 3))
    assert receipt(await bench.settled(other)).outcome == "stale"
    forced = a_message(other)
    forced = forced._replace(headers=[*forced.headers, *replay_headers("r1")])
    assert receipt(await bench.stage.handle(forced)).outcome == "indexed"
    assert receipt(await bench.settled(an_embedded(6, public=["b"], origin=origin(3)))).outcome == "indexed"
    assert (
        receipt(await bench.settled(an_embedded(6, public=["c"], origin=other.origin))).outcome == "indexed"
    )


async def test_the_first_messages_of_a_partition_taken_over_may_have_been_begun() -> None:
    bench = IndexBench()
    stage = Index(bench.tables, bench.writer, a_part_store(bench.tables), begun_span=2)  # type: ignore[arg-type]

    async def handled(offset: int) -> bool:
        await stage.handle(a_message(an_embedded(version=1_000 + offset), offset))
        return bench.writer.items[-1].begun

    assert not await handled(6)
    stage.taken_over({0})
    assert [await handled(offset) for offset in (7, 8, 9)] == [True, True, False]
    stage.taken_over({0})
    assert await handled(10)


MERGED = msgspec.structs.replace(FACTS, status="closed", tags=["closed_by_merge"], merged_into=45)


@pytest.mark.parametrize("removed_as", ["closed", "deleted"])
async def test_an_import_brings_back_what_an_earlier_release_removed_as_merged(removed_as: str) -> None:
    """It had looked up nobody's name, and the removal had come by the other lane."""
    bench = IndexBench()
    told = msgspec.structs.replace(
        MERGED, status=removed_as, requester="", assignee="", organization="", group="", merged_into=0
    )
    content = encode(("Tickets_test_4_c1", 4, True, told, [], []))
    entry = IndexedTicket(5, digest(content), origin(3), "Tickets_test_4_c1", 1.0, removed=True)
    await bench.tables["indexed"].put(0, [(b"acme:1", entry)])
    back = an_embedded(5, public=["a"], facts=MERGED, source="import", origin=Origin(BACKFILL, 0, 1))
    done = await bench.settled(back)
    assert receipt(done).outcome == ("indexed" if removed_as == "closed" else "stale")
    assert [item.facts.merged_into for item in bench.writer.items] == [45][: removed_as == "closed"]


async def test_a_mark_that_comes_or_goes_is_written() -> None:
    bench = IndexBench()
    for offset, facts in enumerate((FACTS, MERGED, FACTS), start=1):
        done = await bench.settled(an_embedded(5, public=["a"], facts=facts, origin=origin(offset)), offset)
        assert receipt(done).outcome == "indexed"
    assert [item.facts.merged_into for item in bench.writer.items] == [0, 45, 0]
