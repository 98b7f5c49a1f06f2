"""Hybrid search against a real Weaviate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from weaviate_bench import FACTS, SIZE, Bench, bench, chunk, vector_of
from weaviate_fixture import weaviate_settings

from benchmarks.retrieval import former
from schemas.errors import UserError
from schemas.messages.tickets import TicketFacts
from streams.search.hybrid import Search
from streams.sinks.weaviate.objects import batch_objects
from streams.weaviate import requests
from streams.weaviate.ownership import foreign_reason

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


async def test_a_merged_ticket_is_shown_under_its_target(bench: Bench) -> None:
    def merged(subject: str, into: int = 0) -> TicketFacts:
        return replace(FACTS, subject=subject, status="closed" if into else "open", merged_into=into)

    await bench.sink.write(
        [
            bench.item(1, chunk(0, "the numbat hums"), facts=merged("Target")),
            bench.item(2, chunk(0, "numbat numbat"), facts=merged("Middle", 1)),
            bench.item(
                3,
                chunk(0, "numbat"),
                chunk(0, "an aardvark for us only", "internal"),
                facts=merged("First", 2),
            ),
            bench.item(4, chunk(0, "numbat of a deleted one"), facts=merged("Left over", 99)),
            bench.item(5, chunk(0, "a numbat goes round"), facts=merged("Round", 6)),
            bench.item(6, chunk(0, "numbat round and round"), facts=merged("About", 5)),
            bench.item(7, chunk(0, "numbat of a hidden one"), facts=merged("Hidden", 8)),
            bench.item(8, chunk(0, "nothing for the public", "internal"), facts=merged("Note")),
            bench.item(9, chunk(0, "a plain numbat"), facts=merged("Plain")),
        ]
    )

    async def found(text: str, **options: Any) -> list[tuple[int, int | None, str | None]]:
        given: dict[str, Any] = {"limit": 20, **options}
        hits = await bench.find.search(bench.account, text, vector_of(text), **given)
        said = [hit for hit in hits if text in hit.text]
        return [(hit.ticket_id, hit.merged_into, hit.target.subject if hit.target else None) for hit in said]

    hits = await found("numbat")
    # Of a ticket and those merged into it there is one passage, and it names where it is from.
    assert [hit for hit in hits if 1 in hit] == [hits[0]]
    assert hits[0] in [(1, None, None), (2, 1, "Target"), (3, 1, "Target")]
    # Without their targets, and in a circle, they stand by themselves.
    rest = {(4, 99, None), (5, 6, None), (6, 5, None), (7, 8, "Note"), (9, None, None)}
    assert set(hits[1:]) == rest
    assert len(hits) == 6
    assert len(await found("numbat", limit=4)) == 4
    assert await found("aardvark") == [(3, 1, "Target")]
    assert await found("aardvark", public_only=True) == []
    # A target that a reader may not see is not named, though its number is.
    assert (7, 8, None) in await found("numbat", public_only=True)
    assert {hit[0] for hit in await found("numbat", status="open")} == {1, 9}
    assert {hit[0] for hit in await found("numbat", every_chunk=True)} == {1, 2, 3, 4, 5, 6, 7, 9}
    # The target is gone: what was under it is under the next one of the chain that is there.
    await bench.sink.write([bench.item(1, removed=True)])
    assert (2, 1, None) in await found("numbat", every_chunk=True)
    assert (3, 2, "Middle") in await found("numbat", every_chunk=True)


async def test_words_of_every_script_win(bench: Bench) -> None:
    having = {
        "काम": "नया फ़ोन काम नहीं करता",
        "返金": "まだ返金されていません",
        "คืนเงิน": "ขอคืนเงินด้วย",
        "환불": "환불을 받고",
    }
    lacking = ["क म क म नाम कम", "金曜日に返事をします", "เมื่อคืนฝนตก งานเดิน", "교환이 불가능합니다", "काला"]
    texts = [*having.values(), *lacking]
    await bench.sink.write([bench.item(number, chunk(0, text)) for number, text in enumerate(texts)])
    for number, word in enumerate(having):
        hits = await bench.find.search(bench.account, word, vector_of(lacking[number]), limit=5)
        assert hits[0].ticket_id == number, word


async def test_a_note_that_only_has_the_subject_is_no_answer(bench: Bench) -> None:
    facts = replace(FACTS, subject="Billed twice")
    note = chunk(0, "Billed twice\n\nPrice list was not loaded.", "internal")
    customer = chunk(0, "Billed twice\n\nWe were charged twice for the same order.")
    await bench.sink.write([bench.item(1, customer, note, facts=facts), bench.item(2, chunk(0, "Else"))])
    for public_only in (False, True):
        hits = await bench.find.search(
            bench.account, "I paid twice", vector_of(note.text), limit=2, public_only=public_only
        )
        assert (hits[0].ticket_id, hits[0].text) == (1, customer.text)
        assert all(hit.visibility == "public" for hit in hits)


async def test_a_collection_of_the_first_schema_is_searched_and_gives_its_vectors(bench: Bench) -> None:
    name = f"{bench.collection}_16_c1"
    await former.make_collection(bench.connection.client, name)
    try:
        assert await foreign_reason(bench.connection.client, name) == ""
        made = batch_objects(name, SIZE, bench.item(1, chunk(0, "error E4711"), chunk(1, "else")))
        reply = await bench.connection.call("BatchObjects", requests.upsert(former.without_words(made)))
        assert not reply.errors
        found = await Search(bench.connection, name).search(
            bench.account, "e4711", vector_of("else"), limit=1
        )
        assert [hit.text for hit in found] == ["error E4711"]
        ids = [bench.id_of(1, "public", 0)]
        ((_, vector),) = (await bench.vectors.stored_vectors(name, bench.account, ids)).values()
        assert np.allclose(vector, vector_of("error E4711"))
    finally:
        await bench.connection.client.collections.delete(name)


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
    with pytest.raises(UserError, match=r"nothing of account .*replay --from embedded"):
        await bench.find.search(bench.account, "words", vector_of("words"), limit=3)
    with pytest.raises(UserError, match="tenant"):
        await bench.find.search("no/account", "words", vector_of("words"), limit=3)
    with pytest.raises(UserError, match="give some words"):
        await bench.find.search(bench.account, " \u200b", vector_of("words"), limit=3)
    with pytest.raises(UserError, match="0 results"):
        await bench.find.search(bench.account, "words", vector_of("words"), limit=0)
