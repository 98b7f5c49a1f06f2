"""What a sink promises, in memory and in Weaviate."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager

import numpy as np
import pytest
from msgspec.structs import replace

from schemas.errors import InvalidVectorError, PermanentError, RefusedError, UnavailableError
from schemas.ids import Visibility, chunk_id, content_hash
from schemas.messages.tickets import TicketFacts
from schemas.vectors import Vector
from streams.sinks.base import ObjectWrite, Sink, SinkItem, SinkResult

SIZE = 16
Held = dict[tuple[int, str, int], str]
FACTS = TicketFacts(
    subject="Printer on fire",
    status="open",
    priority="high",
    tags=["hardware", "fire"],
    requester="Jane Doe",
    assignee="",
    organization="Acme & Söhne",
    group="Support",
    created_at="2024-01-01T10:00:00Z",
    updated_at="2024-02-01T10:00:00Z",
)


def vector_of(text: str) -> Vector:
    """Return a vector of SIZE numbers that no other text has."""
    seed = int(content_hash(text)[:8], 16)
    return np.random.default_rng(seed).normal(size=SIZE).astype(np.float32)


def chunk(
    index: int, text: str, visibility: Visibility = "public", vector: Vector | None = None
) -> ObjectWrite:
    return ObjectWrite(
        visibility=visibility,
        chunk_index=index,
        text=text,
        content_hash=content_hash(text),
        vector=vector_of(text) if vector is None else vector,
    )


class SinkBench(ABC):
    """A sink of vectors of SIZE numbers, empty at the beginning, and an account of its own."""

    sink: Sink
    account: str

    def item(
        self,
        ticket_id: int,
        *upserts: ObjectWrite,
        facts: TicketFacts = FACTS,
        stale: Sequence[uuid.UUID] | None = None,
        removed: bool = False,
        account: str | None = None,
        counts: Mapping[Visibility, int] | None = None,
    ) -> SinkItem:
        """Return a ticket as it is written."""
        return SinkItem(
            account=account or self.account,
            ticket_id=ticket_id,
            facts=facts,
            upserts=upserts,
            stale_ids=stale,
            removed=removed,
            counts=counts,
        )

    def id_of(self, ticket_id: int, visibility: Visibility, index: int) -> uuid.UUID:
        """Return the id of a chunk of the account."""
        return chunk_id(self.account, ticket_id, visibility, index)

    @abstractmethod
    async def held(self, account: str | None = None) -> Held:
        """Return the texts of the account by ticket, visibility and index."""

    @abstractmethod
    async def vectors_of(self, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, tuple[str, Vector]]:
        """Return the content hashes and vectors of the account's chunks with these ids."""

    @abstractmethod
    def away(self) -> AbstractAsyncContextManager[None]:
        """Have the store take no write meanwhile."""


class SinkBehaviour:
    """Whoever inherits it has a fixture ``bench``."""

    async def test_writing_twice_is_writing_once(self, bench: SinkBench) -> None:
        batch = [
            bench.item(number, chunk(0, f"one {number}"), chunk(1, f"two {number}")) for number in range(5)
        ]
        await bench.sink.write(batch)
        before = await bench.held()
        assert await bench.sink.write(batch) == [SinkResult(vectors_written=2)] * 5
        assert await bench.held() == before
        assert len(before) == 10

    async def test_a_write_replaces_text_and_vector(self, bench: SinkBench) -> None:
        await bench.sink.write([bench.item(1, chunk(0, "old"))])
        await bench.sink.write([bench.item(1, chunk(0, "new"))])
        assert await bench.held() == {(1, "public", 0): "new"}
        found = await bench.vectors_of([bench.id_of(1, "public", 0), bench.id_of(1, "public", 1)])
        ((content, vector),) = found.values()
        assert content == content_hash("new")
        assert np.array_equal(vector, vector_of("new"))

    async def test_a_shrunk_ticket_loses_its_left_overs(self, bench: SinkBench) -> None:
        many = [chunk(index, f"chunk {index}") for index in range(5)]
        await bench.sink.write([bench.item(1, *many), bench.item(2, *many), bench.item(3, *many)])
        stale = [bench.id_of(1, "public", index) for index in (3, 4)]
        results = await bench.sink.write(
            [
                bench.item(1, *many[:3], stale=stale),
                bench.item(2, chunk(0, "alone", "internal")),
                bench.item(3, *many, stale=()),
            ]
        )
        assert [result.objects_deleted for result in results] == [2, 5, 0]
        held = await bench.held()
        assert {key for key in held if key[0] == 1} == {(1, "public", index) for index in range(3)}
        assert {key for key in held if key[0] == 2} == {(2, "internal", 0)}
        assert len({key for key in held if key[0] == 3}) == 5

    async def test_stale_ids_spare_what_is_written_and_count_only_what_was_there(
        self, bench: SinkBench
    ) -> None:
        stale = [bench.id_of(1, "public", index) for index in (0, 1, 2)]
        (result,) = await bench.sink.write([bench.item(1, chunk(0, "a"), stale=stale)])
        assert result == SinkResult(vectors_written=1)
        assert await bench.held() == {(1, "public", 0): "a"}

    async def test_a_text_made_private_leaves_no_public_chunk(self, bench: SinkBench) -> None:
        await bench.sink.write([bench.item(1, chunk(0, "a"), chunk(1, "b"), chunk(0, "note", "internal"))])
        now = bench.item(1, chunk(0, "b"), chunk(0, "note", "internal"), chunk(1, "a", "internal"))
        assert await bench.sink.write([now]) == [SinkResult(vectors_written=3, objects_deleted=1)]
        assert await bench.held() == {
            (1, "public", 0): "b",
            (1, "internal", 0): "note",
            (1, "internal", 1): "a",
        }

    async def test_a_removed_ticket_is_gone_and_no_other(self, bench: SinkBench) -> None:
        await bench.sink.write(
            [bench.item(1, chunk(0, "a"), chunk(0, "b", "internal")), bench.item(2, chunk(0, "c"))]
        )
        # What it is known to have had does not say that it had nothing else.
        results = await bench.sink.write(
            [
                bench.item(1, chunk(3, "ignored"), removed=True, stale=[bench.id_of(1, "public", 7)]),
                bench.item(3, removed=True),
            ]
        )
        assert results == [SinkResult(objects_deleted=2), SinkResult()]
        assert set(await bench.held()) == {(2, "public", 0)}

    async def test_an_account_never_touches_another(self, bench: SinkBench) -> None:
        other = f"{bench.account}-too"
        await bench.sink.write(
            [bench.item(1, chunk(0, "mine")), bench.item(1, chunk(0, "theirs"), account=other)]
        )
        await bench.sink.write([bench.item(1, removed=True)])
        assert await bench.held() == {}
        assert await bench.held(other) == {(1, "public", 0): "theirs"}

    async def test_of_a_large_ticket_goes_what_is_beyond_its_counts(self, bench: SinkBench) -> None:
        await bench.sink.write([bench.item(1, *[chunk(index, f"{index}") for index in range(6)], stale=())])
        await bench.sink.write([bench.item(1, chunk(0, "note", "internal"), stale=())])
        last = bench.item(1, counts={"public": 4, "internal": 0})
        assert await bench.sink.write([last]) == [SinkResult(objects_deleted=3)]
        assert set(await bench.held()) == {(1, "public", index) for index in range(4)}

    async def test_a_ticket_that_can_never_be_held_fails_alone(self, bench: SinkBench) -> None:
        not_unicode = replace(FACTS, subject="\ud800")
        results = await bench.sink.write(
            [
                bench.item(1, chunk(0, "good")),
                bench.item(3, chunk(0, "size", vector=np.ones(SIZE + 1, np.float32))),
                bench.item(4, chunk(0, "nan", vector=np.full(SIZE, np.nan, np.float32))),
                bench.item(5, chunk(0, "surrogate"), facts=not_unicode),
                bench.item(2**60, chunk(0, "number")),
                bench.item(6, chunk(0, "tenant"), account="no such.tenant"),
                bench.item(7, chunk(0, "good too")),
            ]
        )
        errors: list[type[PermanentError] | None] = [type(r.error) if r.error else None for r in results]
        assert errors == [
            *(None, InvalidVectorError, InvalidVectorError),
            *(RefusedError, RefusedError, RefusedError, None),
        ]
        names = ("ticket 3", "ticket 4", "ticket 5", str(2**60), "no such.tenant")
        for result, named in zip(results[1:6], names, strict=True):
            assert named in str(result.error)
            assert (result.vectors_written, result.objects_deleted) == (0, 0)
        assert set(await bench.held()) == {(1, "public", 0), (7, "public", 0)}

    async def test_a_failed_ticket_keeps_what_was_held(self, bench: SinkBench) -> None:
        await bench.sink.write([bench.item(1, chunk(0, "a"), chunk(1, "b"))])
        bad = chunk(0, "new", vector=np.ones(SIZE - 1, np.float32))
        (result,) = await bench.sink.write([bench.item(1, bad)])
        assert isinstance(result.error, InvalidVectorError)
        assert set((await bench.held()).values()) == {"a", "b"}

    async def test_the_same_ticket_twice_is_an_error_and_writes_nothing(self, bench: SinkBench) -> None:
        with pytest.raises(ValueError, match="twice"):
            await bench.sink.write([bench.item(1, chunk(0, "a")), bench.item(1, chunk(0, "b"))])
        assert await bench.held() == {}

    async def test_a_store_that_takes_no_writes_is_waited_for(self, bench: SinkBench) -> None:
        await bench.sink.write([bench.item(1, chunk(0, "a"))])
        async with bench.away():
            with pytest.raises(UnavailableError):
                await bench.sink.write([bench.item(2, chunk(0, "b"))])
            with pytest.raises(UnavailableError):
                await bench.sink.write([bench.item(1, removed=True)])
        assert await bench.sink.write([bench.item(2, chunk(0, "b"))]) == [SinkResult(vectors_written=1)]
        assert set(await bench.held()) == {(1, "public", 0), (2, "public", 0)}

    async def test_nothing_to_write_has_no_results(self, bench: SinkBench) -> None:
        assert await bench.sink.write([]) == []

    async def test_setting_up_again_loses_nothing(self, bench: SinkBench) -> None:
        await bench.sink.write([bench.item(1, chunk(0, "a"))])
        assert await bench.sink.setup() == await bench.sink.setup()
        assert await bench.held() == {(1, "public", 0): "a"}
