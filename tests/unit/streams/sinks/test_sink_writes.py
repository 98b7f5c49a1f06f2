"""The order of the sink's calls, and what it does about objects Weaviate did not take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast
from uuid import UUID

import grpc  # type: ignore[import-untyped]
import msgspec
import numpy as np
import pytest
from weaviate.proto.v1 import aggregate_pb2, batch_delete_pb2, batch_pb2, search_get_pb2

from schemas.errors import RefusedError, UnavailableError
from schemas.ids import chunk_id
from schemas.messages.tickets import TicketFacts
from streams.sinks.base import ObjectWrite, SinkItem, SinkResult
from streams.sinks.weaviate import sink as module
from streams.sinks.weaviate.sink import WeaviateSink
from streams.weaviate.client import WeaviateConnection
from streams.weaviate.large import results_of
from streams.weaviate.observe import Unobserved
from streams.weaviate.reading import object_id

FACTS = TicketFacts(
    **{name: "" for name in TicketFacts.__struct_fields__ if name not in ("tags", "merged_into")},
    tags=[],
)
ACCOUNT = "acme"


class FakeWeaviate:
    """Answers the calls of the sink; ``refuse`` says what is wrong with an object, sent the n-th time."""

    def __init__(self, refuse: Callable[[str, int], str | None] = lambda text, times: None) -> None:
        self._refuse = refuse
        self._times: dict[str, int] = {}
        self.observer = Unobserved()
        self.client = None
        self.calls: list[tuple[str, int]] = []
        self.running: set[str] = set()
        self.held: list[UUID] = []
        self.unindexed: set[UUID] = set()
        self.listed = False
        """Whether what is deleted is what is held, and nothing else."""
        self.vectors: list[list[bytes]] = []
        self.fail: dict[str, Exception] = {}

    async def call(self, method: str, request: Any, timeout: float = 0) -> Any:
        self.calls.append((method, len(getattr(request, "objects", ()))))
        if method == "BatchDelete":
            assert not self.running, "deleted while something is being written"
        self.running.add(method)
        await asyncio.sleep(0)
        self.running.discard(method)
        if method in self.fail:
            raise self.fail[method]
        return getattr(self, method)(request)

    def BatchObjects(self, request: Any) -> Any:  # noqa: N802
        errors = []
        self.vectors.append([sent.vector_bytes for sent in request.objects])
        for index, sent in enumerate(request.objects):
            text = sent.properties.non_ref_properties["text"]
            self._times[text] = self._times.get(text, 0) + 1
            if (problem := self._refuse(text, self._times[text])) is not None:
                errors.append(batch_pb2.BatchObjectsReply.BatchError(index=index, error=problem))
        return batch_pb2.BatchObjectsReply(errors=errors)

    def Search(self, request: Any) -> Any:  # noqa: N802
        reply = search_get_pb2.SearchReply()
        wanted = set(request.filters.value_text_array.values)
        for identity in self.held:
            if wanted and str(identity) not in wanted:
                continue
            result = reply.results.add()
            result.metadata.id_as_bytes = identity.bytes.lstrip(b"\0")
            result.properties.non_ref_props.fields["ticket_id"].int_value = 1
        return reply

    def Aggregate(self, request: Any) -> Any:  # noqa: N802
        reply = aggregate_pb2.AggregateReply()
        reply.single_result.objects_count = len(self.held)
        return reply

    def BatchDelete(self, request: Any) -> Any:  # noqa: N802
        ids = request.filters.value_text_array.values
        if self.listed:
            ids = [each for each in ids if UUID(each) in self.held]
            self.held = [each for each in self.held if str(each) not in ids]
        gone = [
            batch_delete_pb2.BatchDeleteObject(uuid=UUID(each).bytes.lstrip(b"\0"), successful=True)
            for each in ids
            if UUID(each) not in self.unindexed
        ]
        return batch_delete_pb2.BatchDeleteReply(objects=gone)

    async def delete_object(self, collection: str, tenant: str, identity: UUID) -> None:
        self.calls.append(("delete_object", 1))
        self.unindexed.discard(identity)


@pytest.fixture(autouse=True)
def collection_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sink sets itself up without a word to Weaviate: the collection and its alias are there."""

    async def there(*_: object) -> bool:
        return False

    for name in ("ensure_collection", "require_size", "ensure_alias"):
        monkeypatch.setattr(module, name, there)


def sink_of(fake: FakeWeaviate) -> WeaviateSink:
    return WeaviateSink(cast(WeaviateConnection, fake), "Tickets_m_4_c1", 4)


def item(ticket_id: int, *texts: str, stale: list[UUID] | None = None) -> SinkItem:
    vector = np.ones(4, np.float32)
    writes = [
        ObjectWrite(visibility="public", chunk_index=i, text=text, content_hash=text, vector=vector)
        for i, text in enumerate(texts)
    ]
    return SinkItem(account=ACCOUNT, ticket_id=ticket_id, facts=FACTS, upserts=writes, stale_ids=stale)


async def test_chunks_are_written_before_left_overs_go() -> None:
    fake = FakeWeaviate()
    left_over = UUID(int=9)
    fake.held = [chunk_id(ACCOUNT, 1, "public", 0), left_over]
    assert await sink_of(fake).write([item(1, "a")]) == [SinkResult(vectors_written=1, objects_deleted=1)]
    assert sorted(fake.calls[:2]) == [("BatchObjects", 1), ("Search", 0)]
    assert fake.calls[2:] == [("BatchDelete", 0)]


async def test_known_stale_ids_need_no_look() -> None:
    fake = FakeWeaviate()
    batch = [item(1, "a", stale=[]), item(2, "b", stale=[UUID(int=9)])]
    results = await sink_of(fake).write(batch)
    assert [result.objects_deleted for result in results] == [0, 1]
    assert [method for method, _ in fake.calls] == ["BatchObjects", "BatchDelete"]


async def test_object_that_failed_is_tried_again_alone() -> None:
    fake = FakeWeaviate(lambda text, times: "hiccup" if text == "b" and times == 1 else None)
    results = await sink_of(fake).write([item(number, text, stale=[]) for number, text in enumerate("abc")])
    assert results == [SinkResult(vectors_written=1)] * 3
    assert fake.calls == [("BatchObjects", 3), ("BatchObjects", 1)]


async def test_object_that_fails_for_good_fails_its_ticket() -> None:
    fake = FakeWeaviate(lambda text, times: "invalid date property" if text == "b" else None)
    stale = [UUID(int=9)]
    one, two = await sink_of(fake).write([item(1, "a", stale=stale), item(2, "b", "c", stale=[UUID(int=8)])])
    assert one == SinkResult(vectors_written=1, objects_deleted=1)
    assert isinstance(two.error, RefusedError)
    assert two == SinkResult(error=two.error)
    assert fake.calls[-1] == ("BatchDelete", 0)


async def test_object_that_can_succeed_later_makes_the_batch_wait() -> None:
    fake = FakeWeaviate(lambda text, times: "store is read-only" if text == "b" else None)
    with pytest.raises(UnavailableError, match="read-only"):
        await sink_of(fake).write([item(1, "a", stale=[UUID(int=9)]), item(2, "b", stale=[])])
    assert "BatchDelete" not in dict(fake.calls)


@pytest.mark.parametrize("method", ["BatchObjects", "Search", "BatchDelete"])
async def test_lost_connection_makes_the_batch_wait(method: str) -> None:
    fake = FakeWeaviate()
    fake.held = [UUID(int=9)]
    empty = grpc.aio.Metadata()
    fake.fail[method] = grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, empty, empty, "gone")
    with pytest.raises(UnavailableError):
        await sink_of(fake).write([item(1, *map(str, range(450)))])
    assert not fake.running
    # The requests of the batch that were under way have ended: nothing old can overtake a retry.
    assert [method for method, _ in fake.calls].count("BatchObjects") == 3
    assert (method == "BatchDelete") == ("BatchDelete" in dict(fake.calls))


async def test_same_ticket_twice_sends_nothing() -> None:
    fake = FakeWeaviate()
    with pytest.raises(ValueError, match="twice"):
        await sink_of(fake).write([item(1, "a"), item(1, "b")])
    assert fake.calls == []


def lost() -> grpc.aio.AioRpcError:
    empty = grpc.aio.Metadata()
    return grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, empty, empty, "gone")


async def test_what_a_lost_weaviate_may_hold_half_is_indexed_anew() -> None:
    fake = FakeWeaviate()
    sink = sink_of(fake)
    fake.fail["BatchObjects"] = lost()
    with pytest.raises(UnavailableError):
        await sink.write([item(1, "a", stale=[])])
    fake.fail.clear()
    for _ in range(2):
        await sink.write([item(1, "a", stale=[]), item(2, "b", stale=[])])
    own = np.ones(4, np.float32).tobytes()
    (other,), *whole = fake.vectors
    # Weaviate passes over what it holds already: only another vector makes it index the object again.
    assert other != own
    assert other[1:] == own[1:]
    assert whole == [[own, own], [own, own]]


async def test_what_another_process_may_have_begun_is_indexed_anew() -> None:
    fake = FakeWeaviate()
    begun = msgspec.structs.replace(item(1, "a", "b", stale=[]), begun=True)
    await sink_of(fake).write([begun, item(2, "c", stale=[])])
    assert [len(vectors) for vectors in fake.vectors] == [2, 3]
    assert not set(fake.vectors[0]) & set(fake.vectors[1])


async def test_what_no_filter_finds_is_deleted_by_its_id() -> None:
    fake = FakeWeaviate()
    fake.unindexed = {UUID(int=9)}
    one, two = await sink_of(fake).write(
        [item(1, "a", stale=[UUID(int=8), UUID(int=9)]), item(2, "b", stale=[UUID(int=7)])]
    )
    assert (one.objects_deleted, two.objects_deleted) == (1, 1)
    assert not fake.unindexed
    assert fake.calls.count(("delete_object", 1)) == 1


async def test_of_a_removed_ticket_goes_what_it_is_known_to_have_had() -> None:
    fake = FakeWeaviate()
    fake.held, fake.unindexed = [UUID(int=8)], {UUID(int=9)}
    gone = msgspec.structs.replace(item(1, stale=[UUID(int=8), UUID(int=9)]), removed=True)
    (result,) = await sink_of(fake).write([gone])
    assert result.objects_deleted == 1
    assert not fake.unindexed


async def test_deletions_that_were_cut_short_are_remembered() -> None:
    fake = FakeWeaviate()
    sink = sink_of(fake)
    fake.held = [UUID(int=9)]
    fake.fail["BatchDelete"] = lost()
    with pytest.raises(UnavailableError):
        await sink.write([item(1, "a")])
    # Its entries in the indexes have gone, the object has not.
    fake.fail.clear()
    fake.held, fake.unindexed = [], {UUID(int=9)}
    await sink.write([item(1, "a")])
    assert not fake.unindexed
    before = len(fake.calls)
    await sink.write([item(1, "a")])
    assert sorted(fake.calls[before:]) == [("BatchObjects", 1), ("Search", 0)]


async def test_beyond_the_chunks_of_a_large_ticket_all_goes_by_its_ids() -> None:
    fake = FakeWeaviate()
    fake.listed = True
    kept = [chunk_id(ACCOUNT, 1, "public", index) for index in range(300)]
    beyond = [chunk_id(ACCOUNT, 1, "internal", index) for index in (0, 5, 2_500)]
    fake.held = [*kept, *beyond]
    last = msgspec.structs.replace(item(1), counts={"public": 300, "internal": 0})
    assert await sink_of(fake).write([last]) == [SinkResult(objects_deleted=3)]
    assert fake.held == kept
    assert [method for method, _ in fake.calls] == ["Aggregate", "BatchDelete"] * 3 + ["Aggregate"]
    # What is known to have been there is not looked for.
    fake.calls.clear()
    known = msgspec.structs.replace(last, stale_ids=[kept[-1]], counts={"public": 299, "internal": 0})
    assert (await sink_of(fake).write([known]))[0].objects_deleted == 1
    assert [method for method, _ in fake.calls] == ["BatchDelete"]


async def test_the_chunks_of_a_large_ticket_are_all_listed() -> None:
    fake = FakeWeaviate()
    fake.held = [chunk_id(ACCOUNT, 1, "public", index) for index in range(2_400)]
    fake.held += [chunk_id(ACCOUNT, 1, "internal", index) for index in range(50)]

    async def call(method: str, request: Any) -> Any:
        return await fake.call(method, request)

    found = [
        object_id(result)
        async for some in results_of(call, "Tickets", ACCOUNT, ACCOUNT, 1, ["visibility"])
        for result in some
    ]
    assert sorted(found) == sorted(fake.held)
    assert [method for method, _ in fake.calls] == ["Aggregate", "Search", "Search", "Search"]
