"""Hybrid search against a real Weaviate."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from weaviate_bench import FACTS, Bench, bench, chunk, vector_of
from weaviate_fixture import weaviate_settings

from schemas.errors import UserError
from schemas.messages import TicketFacts

__all__ = ["bench", "weaviate_settings"]


async def test_search_by_words_and_meaning(bench: Bench) -> None:
    def facts(subject: str, status: str, *tags: str) -> TicketFacts:
        return replace(FACTS, subject=subject, status=status, tags=list(tags))

    await bench.sink.write(
        [
            bench.item(1, chunk(0, "the parcel never came"), facts=facts("Delivery", "open", "post")),
            bench.item(2, chunk(0, "error E4711 at login"), facts=facts("Login", "solved", "web", "bug")),
            bench.item(
                3, chunk(0, "customer is angry E4711", "internal"), facts=facts("Angry", "open", "bug")
            ),
            bench.item(4, *[chunk(i, f"invoice part {i}") for i in range(6)], facts=facts("Bill", "open")),
        ]
    )

    async def found(text: str, like: str, **options: object) -> list[int]:
        given: dict[str, Any] = {"limit": 3, **options}
        hits = await bench.find.search(bench.account, text, vector_of(like), **given)
        return [hit.ticket_id for hit in hits]

    assert (await found("qqq", "the parcel never came"))[0] == 1
    assert (await found("E4711", "nothing alike"))[0] in {2, 3}
    assert 3 not in await found("E4711", "customer is angry E4711", public_only=True, limit=10)
    assert await found("E4711", "x", status="solved") == [2]
    assert set(await found("E4711", "x", tag="bug")) == {2, 3}
    assert await found("E4711", "x", tag="bug", status="open", public_only=True) == []
    everything = await found("invoice part", "invoice part 0", limit=4)
    assert everything[0] == 4
    assert sorted(everything) == [1, 2, 3, 4]
    assert (await found("invoice", "invoice part 0", limit=5, every_chunk=True)).count(4) == 5
    like = vector_of("error E4711 at login")
    (hit,) = await bench.find.search(bench.account, "E4711 login", like, limit=1)
    assert (hit.subject, hit.status, hit.tags) == ("Login", "solved", ["web", "bug"])
    assert (hit.visibility, hit.chunk_index, hit.text) == ("public", 0, "error E4711 at login")
    assert hit.updated_at == "2024-02-01T10:00:00Z"
    assert 0.9 < hit.score <= 1


@pytest.mark.parametrize(
    "text", ['") { id } }', "' OR 1=1 --", "{{7*7}}", "* AND status:open", "\ud800 lone", "a" * 100_000]
)
async def test_a_question_is_never_a_query(bench: Bench, text: str) -> None:
    await bench.sink.write([bench.item(1, chunk(0, "a"))])
    hits = await bench.find.search(bench.account, text, vector_of("a"), limit=3, public_only=True)
    assert [hit.ticket_id for hit in hits] == [1]
    assert not await bench.find.search(bench.account, "a", vector_of("a"), limit=3, status=text, tag=text)


async def test_search_says_what_is_missing(bench: Bench) -> None:
    await bench.sink.setup()
    with pytest.raises(UserError, match="nothing of account .*replay --from embedded"):
        await bench.find.search(bench.account, "words", vector_of("words"), limit=3)
    with pytest.raises(UserError, match="tenant"):
        await bench.find.search("no/account", "words", vector_of("words"), limit=3)
    with pytest.raises(UserError, match="give some words"):
        await bench.find.search(bench.account, " \u200b", vector_of("words"), limit=3)
    with pytest.raises(UserError, match="0 results"):
        await bench.find.search(bench.account, "words", vector_of("words"), limit=0)
