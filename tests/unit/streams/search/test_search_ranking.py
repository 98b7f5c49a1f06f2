"""The passage shown is the one whose own words answer."""

from __future__ import annotations

from uuid import UUID, uuid4

from schemas.ids import Visibility, content_hash
from schemas.messages.tickets import TicketFacts
from streams.search.ranking import SCALE, ranked
from streams.weaviate.reading import StoredChunk

SUBJECT = "Billed twice"
FACTS = TicketFacts(
    subject=SUBJECT,
    status="open",
    priority="",
    tags=[],
    requester="",
    assignee="",
    organization="",
    group="",
    created_at="",
    updated_at="",
)


def chunk(ticket: int, body: str, visibility: Visibility = "public") -> StoredChunk:
    text = f"{SUBJECT}\n\n{body}"
    return StoredChunk(
        id=uuid4(),
        ticket_id=ticket,
        visibility=visibility,
        chunk_index=0,
        text=text,
        content_hash=content_hash(text),
        facts=FACTS,
    )


def test_a_note_that_only_has_the_subject_comes_after_the_customer_s_own_words() -> None:
    note = chunk(1, "Price list was not loaded.", "internal")
    customer = chunk(1, "We were charged twice for the same order.")
    by_words = [(customer.id, 4.0), (note.id, 3.9)]
    by_meaning = [(note.id, 0.9), (customer.id, 0.7)]
    found = ranked([note, customer], by_words, by_meaning, ["paid", "twice"], is_word=False)
    assert [each.chunk for each in found] == [customer, note]
    assert all(0 <= each.score <= 1 for each in found)


def test_of_two_passages_without_bearing_the_customer_s_is_shown() -> None:
    note, customer = chunk(1, "Tell finance.", "internal"), chunk(1, "The number is missing.")
    alike = [(note.id, 1.0), (customer.id, 1.0)]
    found = ranked([note, customer], alike, alike, ["twice"], is_word=True)
    assert found[0].chunk is customer


def test_nothing_without_the_only_word_comes_before_what_has_it() -> None:
    # The weakest match, in the subject only, against the nearest meaning.
    having = [chunk(number, "काम नहीं" if number else "…") for number in range(SCALE)]
    without = chunk(99, "something else")
    has = [(each.id, 40.0 - place) for place, each in enumerate(reversed(having))]
    found = ranked([*having, without], has, [(without.id, 1.0), (having[1].id, 0.0)], ["काम"], is_word=True)
    assert found[-1].chunk is without


def test_the_order_does_not_hang_on_how_many_are_asked_for() -> None:
    chunks = [chunk(number, f"paid {number}") for number in range(3 * SCALE)]
    words = [(each.id, 100.0 - place) for place, each in enumerate(chunks)]
    meaning = [(each.id, 1 - place / 1000) for place, each in enumerate(reversed(chunks))]

    def order(limit: int) -> list[UUID]:
        listed = {key for key, _ in words[:limit]} | {key for key, _ in meaning[:limit]}
        own = [each for each in chunks if each.id in listed]
        found = ranked(own, words, meaning[:limit], ["paid", "twice"], is_word=False)
        return [each.chunk.id for each in found[:10]]

    assert order(SCALE) == order(2 * SCALE) == order(3 * SCALE)


def test_nothing_found_is_nothing() -> None:
    assert ranked([], [], [], [], is_word=False) == []
