"""The stage embed: chunks with vectors, and no text embedded that Weaviate holds already."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from agents.engine.outcomes import Outcome
from agents.knowledge.embed.stage import Embed
from agents.testing import InMemoryIndex, InMemoryTables, a_message, a_part_store
from schemas.codec import decode
from schemas.errors import PermanentError, RefusedError, UnavailableError
from schemas.ids import content_hash
from schemas.messages.tickets import EmbeddedTicket, Passage
from schemas.tables import IndexedTicket
from schemas.testing import ORIGIN, an_enriched
from schemas.topics import EMBEDDED
from schemas.vectors import decode_vector
from streams.sinks.base import ObjectWrite, SinkItem
from streams.testing import InMemoryBatcher, InMemoryProducer, vector_of

COLLECTION = "Tickets_test_4_c1_s2"


class EmbedBench:
    def __init__(self) -> None:
        self.tables = InMemoryTables()
        self.batcher = InMemoryBatcher()
        self.store = InMemoryIndex()
        self.producer = InMemoryProducer()
        self.fresh()

    def fresh(self) -> None:
        """Begin anew, as after a restart: nothing is remembered but tables and Weaviate."""
        self.stage = Embed(
            self.tables,  # type: ignore[arg-type]
            self.batcher,
            self.store,
            store=a_part_store(self.tables, self.producer),
            collection=COLLECTION,
            dimensions=4,
        )

    async def indexed(self, done: Outcome, collection: str = COLLECTION) -> None:
        """Put into table and store what the sink would."""
        ticket = embedded(done)
        hashes: dict[str, list[str]] = {"public": [], "internal": []}
        for chunk in ticket.chunks:
            hashes[chunk.visibility].append(chunk.content_hash)
        writes = [
            ObjectWrite(
                visibility=chunk.visibility,
                chunk_index=chunk.chunk_index,
                text=chunk.text,
                content_hash=chunk.content_hash,
                vector=decode_vector(chunk.vector),
            )
            for chunk in ticket.chunks
        ]
        item = SinkItem(account="acme", ticket_id=1, facts=ticket.facts, upserts=writes)
        await self.store.write(collection, 4, item, "live")
        entry = IndexedTicket(
            version=5, digest="", origin=ORIGIN, collection=collection, indexed_at=0.0, **hashes
        )
        await self.tables["indexed"].put(0, [(b"acme:1", entry)])


def embedded(done: Outcome) -> EmbeddedTicket:
    (record,) = done.records
    assert record.topic == EMBEDDED
    return decode(EmbeddedTicket, record.value, record.headers)


def passage(number: int, text: str, *, public: bool = True) -> Passage:
    return Passage(
        comment_id=number,
        visibility="public" if public else "internal",
        author="Ann",
        created_at="2024-01-01T00:00:00Z",
        text=text,
    )


LONG = [passage(n, f"{n} " + "fire and smoke " * 80) for n in range(4)]
NOTE = passage(9, "Call the fire brigade.", public=False)


async def test_a_ticket_becomes_chunks_each_with_its_own_vector() -> None:
    bench = EmbedBench()
    done = await bench.stage.handle(a_message(an_enriched(passages=[*LONG, NOTE]), partition=3))
    ticket = embedded(done)
    assert len(ticket.chunks) >= 5
    assert {chunk.visibility for chunk in ticket.chunks} == {"public", "internal"}
    for chunk in ticket.chunks:
        assert decode_vector(chunk.vector, 4).tolist() == vector_of(chunk.text).tolist()
        assert chunk.content_hash == content_hash(chunk.text)
        assert ("brigade" in chunk.text) == (chunk.visibility == "internal")
    assert (ticket.collection, ticket.dimensions, ticket.origin) == (COLLECTION, 4, ORIGIN)
    assert (ticket.texts_embedded, ticket.embedding_calls, done.calls) == (len(ticket.chunks), 1, 1)
    assert (done.records[0].partition, done.records[0].key) == (3, b"acme:1")
    assert done.marks == []


async def test_the_lane_follows_the_source() -> None:
    bench = EmbedBench()
    await bench.stage.handle(a_message(an_enriched(passages=[LONG[0]])))
    await bench.stage.handle(a_message(an_enriched(passages=[LONG[1]], source="import")))
    await bench.stage.handle(a_message(an_enriched(passages=[LONG[2]], source="file")))
    assert bench.batcher.lanes == ["live", "backfill", "backfill"]


async def test_unchanged_chunks_keep_the_vector_weaviate_holds() -> None:
    bench = EmbedBench()
    first = await bench.stage.handle(a_message(an_enriched(passages=[*LONG, NOTE])))
    await bench.indexed(first)
    bench.fresh()
    bench.batcher.texts.clear()
    again = await bench.stage.handle(a_message(an_enriched(6, passages=[*LONG, NOTE])))
    assert bench.batcher.texts == []
    assert embedded(again).chunks == embedded(first).chunks
    assert (again.calls, embedded(again).texts_embedded) == (0, 0)
    # A new comment: only what it changes is embedded.
    bench.fresh()
    more = await bench.stage.handle(a_message(an_enriched(7, passages=[*LONG, passage(10, "Out."), NOTE])))
    old = {chunk.content_hash for chunk in embedded(first).chunks}
    new = [chunk.text for chunk in embedded(more).chunks if chunk.content_hash not in old]
    assert bench.batcher.texts == [new]
    assert len(new) == 1


async def test_a_text_that_moved_keeps_its_vector_too() -> None:
    bench = EmbedBench()
    first = await bench.stage.handle(a_message(an_enriched(passages=[NOTE])))
    await bench.indexed(first)
    bench.fresh()
    bench.batcher.texts.clear()
    public = passage(9, NOTE.text)
    made = embedded(await bench.stage.handle(a_message(an_enriched(6, passages=[public]))))
    assert [chunk.visibility for chunk in made.chunks] == ["public"]
    assert bench.batcher.texts == []


async def test_vectors_of_another_collection_are_not_taken() -> None:
    bench = EmbedBench()
    first = await bench.stage.handle(a_message(an_enriched(passages=[NOTE])))
    await bench.indexed(first, collection="Tickets_older_4_c1")
    bench.fresh()
    await bench.stage.handle(a_message(an_enriched(6, passages=[NOTE])))
    assert bench.store.asked == []
    assert len(bench.batcher.texts) == 2


async def test_vectors_of_the_same_model_move_to_a_collection_of_another_schema() -> None:
    bench = EmbedBench()
    first = await bench.stage.handle(a_message(an_enriched(passages=[*LONG, NOTE])))
    await bench.indexed(first, collection="Tickets_test_4_c1")
    bench.fresh()
    bench.batcher.texts.clear()
    again = await bench.stage.handle(a_message(an_enriched(passages=[*LONG, NOTE])))
    assert [collection for collection, _ in bench.store.asked] == ["Tickets_test_4_c1"]
    assert bench.batcher.texts == []
    assert embedded(again).chunks == embedded(first).chunks
    assert embedded(again).collection == COLLECTION


@pytest.mark.parametrize("what", ["gone", "another text", "another size"])
async def test_what_weaviate_does_not_hold_as_expected_is_embedded(what: str) -> None:
    bench = EmbedBench()
    first = await bench.stage.handle(a_message(an_enriched(passages=[NOTE])))
    await bench.indexed(first)
    objects = bench.store.sinks[COLLECTION].objects
    ((identity, held),) = objects.items()
    if what == "gone":
        objects.clear()
    elif what == "another text":
        other = replace(held.chunk, content_hash="other", vector=held.chunk.vector * 0)
        objects[identity] = held._replace(chunk=other)
    else:
        objects[identity] = held._replace(chunk=replace(held.chunk, vector=held.chunk.vector[:2]))
    bench.fresh()
    again = await bench.stage.handle(a_message(an_enriched(6, passages=[NOTE])))
    assert len(bench.batcher.texts) == 2
    assert embedded(again).chunks == embedded(first).chunks


async def test_the_same_text_is_embedded_once_in_a_ticket_and_in_a_while() -> None:
    bench = EmbedBench()
    # Twice in the ticket: publicly and as a note.
    same = [passage(1, NOTE.text), NOTE]
    done = await bench.stage.handle(a_message(an_enriched(passages=same)))
    assert [len(texts) for texts in bench.batcher.texts] == [1]
    assert len(embedded(done).chunks) == 2
    other = an_enriched(passages=[NOTE], ticket_id=2)
    await bench.stage.handle(a_message(other))
    assert len(bench.batcher.texts) == 1


async def test_a_removed_ticket_has_no_chunks_and_asks_nobody() -> None:
    bench = EmbedBench()
    done = await bench.stage.handle(a_message(an_enriched(removed=True, import_id="i1")))
    ticket = embedded(done)
    assert (ticket.removed, ticket.chunks, ticket.import_id, done.import_id) == (True, [], "i1", "i1")
    assert bench.batcher.texts == []


async def test_a_ticket_without_any_text_has_no_chunks() -> None:
    bench = EmbedBench()
    ticket = an_enriched()
    ticket.facts.subject, before = "", ticket.facts.subject
    try:
        done = await bench.stage.handle(a_message(ticket))
    finally:
        ticket.facts.subject = before
    assert embedded(done).chunks == []
    assert bench.batcher.texts == []


@pytest.mark.parametrize("error", [RefusedError("too long"), UnavailableError("away")])
async def test_what_the_provider_says_goes_to_the_engine(error: Exception) -> None:
    bench = EmbedBench()
    bench.batcher.error = error
    with pytest.raises(type(error)):
        await bench.stage.handle(a_message(an_enriched(passages=[NOTE])))
    bench.batcher.error = None
    assert (await bench.stage.handle(a_message(an_enriched(passages=[NOTE])))).verdict == "sent"


async def test_a_message_under_another_ticket_s_key_is_refused() -> None:
    with pytest.raises(PermanentError, match="its ticket is b'acme:1'"):
        await EmbedBench().stage.handle(a_message(an_enriched())._replace(key=b"acme:2"))


async def test_kept_vectors_do_not_keep_a_whole_call_in_memory() -> None:
    bench = EmbedBench()
    await bench.stage.handle(a_message(an_enriched(passages=[*LONG, NOTE])))
    assert all(vector.base is None for vector in bench.stage._recent.values())


async def test_live_changes_overtake_a_backfill_and_the_newest_stays_the_last() -> None:
    bench = EmbedBench()
    waiting = a_message(an_enriched(version=5, source="import", passages=[NOTE]), offset=7)
    live = a_message(an_enriched(version=6, source="live", passages=LONG), offset=8)
    again = a_message(an_enriched(version=6, source="live", passages=[NOTE]), offset=9)
    assert bench.stage.may_overtake(live)
    assert not bench.stage.may_overtake(waiting)
    assert not bench.stage.may_overtake(live._replace(value=b"\xff{"))
    old = await bench.stage.handle(waiting)
    new, newer = await bench.stage.handle(live), await bench.stage.handle(again)
    assert [done.ahead_of_order for done in (old, new, newer)] == [False, True, True]
    wanted = [done.is_current() for done in (old, new, newer) if done.is_current is not None]
    assert wanted == [False, False, True]
