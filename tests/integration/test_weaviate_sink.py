"""What of the sink only Weaviate can show; what every sink promises is in tests/behaviour/sink.py."""

from __future__ import annotations

import asyncio
import uuid

import numpy as np
import pytest
import structlog
from msgspec.structs import replace
from weaviate_bench import FACTS, SIZE, Bench, bench, chunk, vector_of
from weaviate_fixture import weaviate_settings

from schemas.errors import InvalidVectorError, RefusedError, UnavailableError, UserError
from schemas.ids import content_hash
from schemas.messages.tickets import TicketFacts
from schemas.settings.load import Settings
from streams.sinks.base import SinkResult
from streams.sinks.weaviate import orphans
from streams.sinks.weaviate.sink import WeaviateSink
from streams.weaviate.client import connect
from streams.weaviate.contents import Counts
from streams.weaviate.reading import StoredChunk

__all__ = ["bench", "weaviate_settings"]


async def test_every_property_and_vector_is_held(bench: Bench) -> None:
    first, note = chunk(0, "It burns 🔥\nreally"), chunk(0, "He smokes", "internal")
    assert await bench.sink.write([bench.item(7, first, note)]) == [SinkResult(vectors_written=2)]
    held = {
        each.visibility: each
        async for each in bench.contents.iterate_objects(bench.account, include_vector=True)
    }
    for write in (first, note):
        stored = held[write.visibility]
        assert stored.vector is not None
        assert np.array_equal(stored.vector, write.vector)
        assert stored == StoredChunk(
            id=bench.id_of(7, write.visibility, 0),
            ticket_id=7,
            visibility=write.visibility,
            chunk_index=0,
            text=write.text,
            content_hash=write.content_hash,
            facts=FACTS,
            vector=stored.vector,
        )
    assert len(held) == 2


async def test_properties_are_what_the_clients_of_others_read(bench: Bench) -> None:
    await bench.sink.write([bench.item(7, chunk(0, "text"))])
    tenant = bench.connection.client.collections.use(bench.collection).with_tenant(bench.account)
    found = await tenant.query.fetch_objects(include_vector=True)
    properties = found.objects[0].properties
    assert properties["ticket_id"] == 7
    assert properties["chunk_index"] == 0
    assert properties["tags"] == ["hardware", "fire"]
    assert properties["assignee"] == ""
    assert str(properties["created_at"]) == "2024-01-01 10:00:00+00:00"
    chunks = {"ticket_id", "chunk_index", "visibility", "text", "content_hash", "words", "subject_words"}
    assert set(properties) == chunks | set(TicketFacts.__struct_fields__)
    vector = found.objects[0].vector["default"]
    assert vector == pytest.approx(vector_of("text").tolist())


async def test_ticket_without_priority_tags_and_dates(bench: Bench) -> None:
    bare = TicketFacts(
        **{name: "" for name in TicketFacts.__struct_fields__ if name not in ("tags", "merged_into")},
        tags=[],
    )
    await bench.sink.write([bench.item(1, chunk(0, "a"))])
    assert (await bench.sink.write([bench.item(1, chunk(0, "a"), facts=bare)]))[0].error is None
    assert [each.facts async for each in bench.contents.iterate_objects(bench.account)] == [bare]


async def test_ticket_with_more_chunks_than_a_look_up_lists(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphans, "_LISTED", 10)
    large = [chunk(index, f"chunk {index}") for index in range(25)]
    await bench.sink.write([bench.item(1, *large), bench.item(2, *large), bench.item(3, chunk(0, "small"))])
    results = await bench.sink.write(
        [bench.item(1, removed=True), bench.item(2, *large[:12]), bench.item(3, chunk(0, "small"))]
    )
    assert [result.objects_deleted for result in results] == [25, 13, 0]
    assert len(await bench.held()) == 13


async def test_nothing_to_write_into_an_account_without_anything(bench: Bench) -> None:
    assert await bench.sink.write([bench.item(1, removed=True), bench.item(2)]) == [SinkResult()] * 2
    assert await bench.sink.write([bench.item(1, stale=[bench.id_of(1, "public", 0)])]) == [SinkResult()]
    assert await bench.held() == {}
    assert await bench.contents.count_objects(bench.account) == 0
    assert await bench.vectors.stored_vectors(bench.collection, bench.account, [uuid.uuid4()]) == {}


async def test_a_ticket_that_weaviate_refuses_fails_alone(bench: Bench) -> None:
    bad_date = replace(FACTS, created_at="yesterday")
    results = await bench.sink.write(
        [bench.item(1, chunk(0, "good")), bench.item(2, chunk(0, "date"), facts=bad_date)]
    )
    assert [type(result.error) for result in results] == [type(None), RefusedError]
    assert "yesterday" in str(results[1].error)
    assert set(await bench.held()) == {(1, "public", 0)}


async def test_failed_ticket_keeps_what_was_held(bench: Bench) -> None:
    await bench.sink.write([bench.item(1, chunk(0, "a"), chunk(1, "b"))])
    bad = replace(FACTS, updated_at="never")
    (result,) = await bench.sink.write([bench.item(1, chunk(0, "new"), facts=bad)])
    assert isinstance(result.error, RefusedError)
    assert set((await bench.held()).values()) == {"a", "b"}


async def test_collection_of_another_size_refuses_the_vectors(bench: Bench) -> None:
    wider = WeaviateSink(bench.connection, bench.collection, SIZE * 2)
    await wider.setup()  # while nothing tells the size
    await bench.sink.write([bench.item(1, chunk(0, "a"))])
    vector = np.ones(SIZE * 2, np.float32)
    (result,) = await wider.write([bench.item(2, chunk(0, "b", vector=vector))])
    assert isinstance(result.error, InvalidVectorError)


async def test_a_lost_collection_is_made_anew_by_a_change_that_leaves_nothing_behind(bench: Bench) -> None:
    # Nothing is looked up for such a change: the write itself is what learns that the collection is gone.
    await bench.sink.write([bench.item(1, chunk(0, "old"))])
    await bench.connection.client.collections.delete(bench.collection)
    change = bench.item(1, chunk(0, "new"), stale=())
    with pytest.raises(UnavailableError):
        await bench.sink.write([change])
    with structlog.testing.capture_logs() as lines:
        assert await bench.sink.write([change]) == [SinkResult(vectors_written=1)]
    assert set(await bench.held()) == {(1, "public", 0)}
    assert [line["log_level"] for line in lines if "replay --from embedded" in line["event"]] == ["warning"]


async def test_many_batches_at_once(bench: Bench) -> None:
    batches = [
        [bench.item(start + number, chunk(0, f"t {start + number}")) for number in range(30)]
        for start in range(0, 240, 30)
    ]
    results = await asyncio.gather(*(bench.sink.write(batch) for batch in batches))
    assert all(result == SinkResult(vectors_written=1) for batch in results for result in batch)
    assert await bench.contents.counts(bench.account) == Counts(objects=240, tickets=240)


async def test_batch_larger_than_a_request(bench: Bench) -> None:
    batch = [bench.item(number, *[chunk(i, f"{number}/{i}") for i in range(3)]) for number in range(300)]
    batch[150] = bench.item(150, chunk(0, "bad"), facts=replace(FACTS, created_at="x"))
    results = await bench.sink.write(batch)
    assert [number for number, result in enumerate(results) if result.error] == [150]
    assert await bench.contents.counts(bench.account) == Counts(objects=897, tickets=299)


async def test_workers_set_up_at_once(weaviate_settings: Settings) -> None:
    async with await connect(weaviate_settings) as one, await connect(weaviate_settings) as two:
        name = f"Tickets_race_{uuid.uuid4().hex[:8]}"
        sinks = [WeaviateSink(connection, name, SIZE) for connection in (one, two, one, two)]
        answers = await asyncio.gather(*(sink.setup() for sink in sinks))
        assert len(set(answers)) == 1
        await one.client.collections.delete(name)


async def test_foreign_collection_is_named(bench: Bench) -> None:
    await bench.connection.client.collections.create(bench.collection)
    with pytest.raises(UserError, match="not made by ticketstream"):
        await bench.sink.setup()


async def test_stored_vectors_come_back_in_any_number(bench: Bench) -> None:
    batch = [bench.item(number, chunk(0, f"t {number}")) for number in range(450)]
    await bench.sink.write(batch)
    ids = [bench.id_of(number, "public", 0) for number in range(460)]
    found = await bench.vectors.stored_vectors(bench.collection, bench.account, ids)
    assert set(found) == set(ids[:450])
    for number in (0, 449):
        content, vector = found[ids[number]]
        assert content == content_hash(f"t {number}")
        assert np.array_equal(vector, vector_of(f"t {number}"))
