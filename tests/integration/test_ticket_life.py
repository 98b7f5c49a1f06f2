"""The life of a ticket: each kind of change, from the account to what a search shows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from comparison import ARRIVES_SECONDS, arrived, assert_equal, stored_chunks
from harness import Desk, until
from msgspec.structs import replace

from schemas.codec import decode, encode, headers_of
from schemas.ids import ticket_key
from schemas.messages.tickets import EmbeddedTicket, EnrichedTicket, TicketChange
from schemas.topics import BACKFILL, CHANGES, EMBEDDED, ENRICHED
from schemas.vectors import Vector
from streams.kafka.committed import CommittedOffsets
from streams.kafka.messages import Record
from streams.kafka.topic_reader import TopicReader
from streams.search.hybrid import Hit, Search
from streams.search.searcher import query_vector
from streams.weaviate.client import WeaviateConnection, connect
from ticketstream.local.sample.zendesk.changes import SCRUBBED

VECTORS: dict[str, Vector] = {}
"""Those of the words looked for: a model takes its time to load."""
MESSAGES: dict[str, type[Any]] = {
    CHANGES: TicketChange,
    ENRICHED: EnrichedTicket,
    EMBEDDED: EmbeddedTicket,
}


async def found(desk: Desk, word: str, **filters: Any) -> list[Hit]:
    """Return what a search for a word shows and has the word in it."""
    async with await connect(desk.settings) as connection:
        return await found_by(connection, desk, word, **filters)


async def found_by(connection: WeaviateConnection, desk: Desk, word: str, **filters: Any) -> list[Hit]:
    """Do the same over a connection that is open already."""
    if word not in VECTORS:
        VECTORS[word] = await query_vector(desk.settings, word)
    hits = await Search(connection).search(desk.account, word, VECTORS[word], limit=20, **filters)
    return [hit for hit in hits if word in hit.text]


async def ids(desk: Desk, word: str, **filters: Any) -> set[int]:
    return {hit.ticket_id for hit in await found(desk, word, **filters)}


async def shows(desk: Desk, word: str, *tickets: int, **filters: Any) -> None:
    """Wait until a search for a word shows these tickets, and no others."""
    async with await connect(desk.settings) as connection:

        async def as_expected() -> bool:
            return {hit.ticket_id for hit in await found_by(connection, desk, word, **filters)} == set(
                tickets
            )

        await until(as_expected, ARRIVES_SECONDS, f"a search for {word} shows {tickets or 'nothing'}")


def exported(desk: Desk, ticket_id: int) -> dict[str, Any]:
    """Return the row the export has of a ticket."""
    row: dict[str, Any] = desk.zendesk.truth_of(ticket_id)["ticket"]
    return row


async def opened(desk: Desk, word: str, **fields: Any) -> int:
    """Create a ticket with a public word and wait until it is found by it."""
    number: int = desk.zendesk.create_ticket(f"About the {word}", f"The {word} hums.", **fields)["id"]
    await shows(desk, word, number)
    return number


async def test_created(desk: Desk) -> None:
    number = await opened(desk, "wombatine")
    secret = {"body": "The quollette is a secret.", "public": False}
    hidden = desk.zendesk.create_ticket("Among ourselves", "", comment=secret)["id"]
    await shows(desk, "quollette", hidden)
    assert await ids(desk, "wombatine", public_only=True) == {number}
    assert await ids(desk, "quollette", public_only=True) == set()
    await arrived(desk, number, hidden)


async def test_updated(desk: Desk) -> None:
    number = await opened(desk, "marmosette")
    desk.zendesk.update(number, subject="About the tamarinet", status="solved", tags=["vip_lifecycle"])
    await shows(desk, "tamarinet", number, status="solved", tag="vip_lifecycle")
    assert await ids(desk, "marmosette", status="new") == set()
    assert await ids(desk, "About the marmosette") == set()
    await arrived(desk, number)


async def test_comment_added(desk: Desk) -> None:
    number = await opened(desk, "lemurine")
    desk.zendesk.add_comment(number, "There is also a siamangue.")
    desk.zendesk.add_comment(number, "Between us: a gibbonade.", public=False)
    await shows(desk, "gibbonade", number)
    await shows(desk, "siamangue", number, public_only=True)
    assert await ids(desk, "gibbonade", public_only=True) == set()
    for word in ("lemurine", "siamangue"):
        assert {hit.visibility for hit in await found(desk, word) if word in hit.text} >= {"public"}
    assert {hit.visibility for hit in await found(desk, "gibbonade")} == {"internal"}
    await arrived(desk, number)


async def test_comment_made_private(desk: Desk) -> None:
    number = await opened(desk, "capybarrow")
    comment = desk.zendesk.add_comment(number, "My password is agoutiness.")
    await shows(desk, "agoutiness", number, public_only=True)
    desk.zendesk.make_private(number, comment)
    await shows(desk, "agoutiness", public_only=True)
    await shows(desk, "agoutiness", number)
    assert {hit.visibility for hit in await found(desk, "agoutiness")} == {"internal"}
    assert await ids(desk, "capybarrow", public_only=True) == {number}
    told = json.loads(desk.command("search", "agoutiness", "--public-only", "--json").stdout)
    assert told and not any("agoutiness" in hit["text"] for hit in told)
    assert {hit["visibility"] for hit in told} == {"public"}
    await arrived(desk, number)


async def test_the_only_public_comment_made_private_takes_the_subject_along(desk: Desk) -> None:
    number = await opened(desk, "viscachette")
    (comment,) = desk.zendesk.truth_of(number)["comments"]
    desk.zendesk.make_private(number, comment["id"])
    await shows(desk, "viscachette", public_only=True)
    assert await ids(desk, "viscachette") == {number}
    await arrived(desk, number)


async def test_comment_redacted(desk: Desk) -> None:
    number = await opened(desk, "dormousse")
    public = desk.zendesk.add_comment(number, "My card is 4111 hamsteria 1111.")
    private = desk.zendesk.add_comment(number, "Their card is 4222 gerbilium 2222.", public=False)
    await shows(desk, "hamsteria", number)
    await shows(desk, "gerbilium", number)
    desk.zendesk.redact(number, public, "4111 hamsteria 1111")
    desk.zendesk.redact(number, private, "4222 gerbilium 2222")
    await shows(desk, "hamsteria")
    await shows(desk, "gerbilium")
    assert await ids(desk, "dormousse", public_only=True) == {number}
    await arrived(desk, number)
    assert not [chunk for chunk in await stored_chunks(desk) if "4111" in chunk.text or "4222" in chunk.text]


async def test_merged_into_another(desk: Desk) -> None:
    source, target = await opened(desk, "platypussy"), await opened(desk, "echidnette")
    desk.zendesk.add_comment(source, "In the middle: a cassowaryl.")
    desk.zendesk.merge(target, [source], "From the other ticket: a numbatik.", "See the other ticket.")
    await shows(desk, "numbatik", target)
    await arrived(desk, source, target)
    assert exported(desk, source)["status"] == "closed"
    # All its words are found as ever, under the ticket it was merged into.
    for word in ("platypussy", "cassowaryl"):
        (hit,) = await found(desk, word)
        assert (hit.ticket_id, hit.merged_into) == (source, target)
        assert hit.target is not None
        assert (hit.target.ticket_id, hit.target.subject) == (target, "About the echidnette")
    # What follows up on it has the tag as well, and so may anything: it says nothing.
    fields = {"via_followup_source_id": source, "tags": ["again"]}
    follow_up = await opened(desk, "wombatella", **fields)
    assert {"closed_by_merge", "again"} <= set(exported(desk, follow_up)["tags"])
    by_hand = await opened(desk, "bettongish", tags=["closed_by_merge"])
    for ticket in (follow_up, by_hand):
        desk.zendesk.set_status(ticket, "closed")
    await arrived(desk, follow_up, by_hand)
    for word, ticket in (("wombatella", follow_up), ("bettongish", by_hand)):
        (hit,) = await found(desk, word)
        assert (hit.ticket_id, hit.merged_into) == (ticket, None)
    # Without its target it stands by itself.
    desk.zendesk.delete(target)
    await shows(desk, "echidnette")
    (hit,) = await found(desk, "platypussy", public_only=True)
    assert (hit.ticket_id, hit.merged_into, hit.target) == (source, target, None)


async def test_soft_deleted_and_restored(desk: Desk) -> None:
    number = await opened(desk, "bandicootish")
    desk.zendesk.add_comment(number, "Among us: a bilbyish one.", public=False)
    await shows(desk, "bilbyish", number)
    desk.zendesk.delete(number)
    assert exported(desk, number)["status"] == "deleted"
    await shows(desk, "bandicootish")
    await shows(desk, "bilbyish")
    desk.zendesk.restore(number)
    assert exported(desk, number)["status"] == "new"
    await shows(desk, "bandicootish", number, public_only=True)
    await shows(desk, "bilbyish", number)
    assert await ids(desk, "bilbyish", public_only=True) == set()
    await arrived(desk, number)


async def test_permanently_deleted(desk: Desk) -> None:
    """The row stays in the export, its texts scrubbed; nothing of it may be found, nor those words."""
    number = await opened(desk, "potoroony")
    desk.zendesk.delete(number)
    desk.zendesk.delete_permanently(number)
    row = exported(desk, number)
    assert (row["status"], row["subject"], row["description"]) == ("deleted", SCRUBBED, SCRUBBED)
    await shows(desk, "potoroony")
    await settled(desk)
    assert await ids(desk, SCRUBBED) == set()
    assert not [chunk for chunk in await stored_chunks(desk) if chunk.ticket_id == number]


async def test_marked_as_spam_and_restored(desk: Desk) -> None:
    number = await opened(desk, "koalesque")
    desk.zendesk.mark_as_spam(number)
    assert exported(desk, number)["status"] == "deleted"
    await shows(desk, "koalesque")
    desk.zendesk.restore(number)
    await shows(desk, "koalesque", number)
    await arrived(desk, number)


@pytest.mark.parametrize("field", ["brand_id", "organization_id"])
async def test_moved_to_another_brand_or_organisation(desk: Desk, field: str) -> None:
    word = f"wallaroo{field.partition('_')[0]}"
    number = await opened(desk, word)
    before = exported(desk, number)
    others = {each["ticket"][field] for each in desk.zendesk.truth()} - {before[field], None}
    desk.zendesk.update(number, **{field: min(others)})
    now = exported(desk, number)
    assert now[field] != before[field]

    async def moved() -> bool:
        return all(hit.updated_at == now["updated_at"] for hit in await found(desk, word))

    await until(moved, ARRIVES_SECONDS, "the move shows")
    assert await ids(desk, word) == {number}
    own = [chunk for chunk in await stored_chunks(desk) if chunk.ticket_id == number]
    if field == "organization_id":
        (name,) = {chunk.facts.organization for chunk in own}
        assert name == desk.zendesk.truth_of(number)["organization"] != ""
    assert len(own) == 1
    await arrived(desk, number)


# What comes late.


async def of_ticket(desk: Desk, ticket_id: int) -> dict[str, Record]:
    """Return the last message of a ticket on each topic."""
    key = ticket_key(desk.account, ticket_id)
    last: dict[str, Record] = {}
    async with TopicReader(desk.settings.cluster, MESSAGES) as reader:
        async for raw in reader.to_end():
            if raw.key == key:
                last[raw.topic] = Record(raw.topic, raw.partition, raw.key, raw.value, list(raw.headers))
    return last


async def settled(desk: Desk) -> None:
    """Wait until all that is on the topics now has been worked off."""
    async with CommittedOffsets(desk.cluster) as watermarks:
        for topic in (CHANGES, BACKFILL, ENRICHED, EMBEDDED):
            await watermarks.wait_for(topic)


def of_version(record: Record, version: int) -> Record:
    kind = MESSAGES[record.topic]
    message = replace(decode(kind, record.value, record.headers), version=version)
    return record._replace(value=encode(message), headers=headers_of(message))


def by_import(record: Record) -> Record:
    """Return the message as if its ticket had come by the other lane."""
    message = decode(MESSAGES[record.topic], record.value, record.headers)
    origin = replace(message.origin, topic=BACKFILL)
    return record._replace(value=encode(replace(message, origin=origin)))


async def assert_gone(desk: Desk, words: Sequence[str], ticket_id: int) -> None:
    await settled(desk)
    for word in words:
        assert await ids(desk, word) == set()
    assert not [chunk for chunk in await stored_chunks(desk) if chunk.ticket_id == ticket_id]


@pytest.mark.parametrize("topic", [CHANGES, ENRICHED, EMBEDDED])
async def test_a_deleted_ticket_never_comes_back_through_a_late_message(desk: Desk, topic: str) -> None:
    word = f"thylacine{topic.partition('.')[2]}"
    number = await opened(desk, word)
    late = (await of_ticket(desk, number))[topic]
    desk.zendesk.delete(number)
    await shows(desk, word)
    await desk.send(late)
    await assert_gone(desk, [word], number)
    if topic == CHANGES:
        await desk.send(late._replace(topic=BACKFILL))
        await assert_gone(desk, [word], number)
    # Zendesk's times have whole seconds: deleted in the second of the change before.
    version = desk.zendesk.truth_of(number)["generated_timestamp"]
    again = of_version(late, version)
    await desk.send(again)
    await assert_gone(desk, [word], number)
    if topic != CHANGES:
        await desk.send(by_import(again))
        await assert_gone(desk, [word], number)


async def test_redacted_text_never_comes_back_through_a_late_message(desk: Desk) -> None:
    number = await opened(desk, "quaggaline")
    comment = desk.zendesk.add_comment(number, "My card is 4333 aurochsia 3333.")
    await shows(desk, "aurochsia", number)
    late = await of_ticket(desk, number)
    desk.zendesk.redact(number, comment, "4333 aurochsia 3333")
    await shows(desk, "aurochsia")
    version = desk.zendesk.truth_of(number)["generated_timestamp"]
    for topic in MESSAGES:
        await desk.send(late[topic])
        if topic != CHANGES:  # of what changed within a second, the export shows the last state only
            await desk.send(of_version(late[topic], version))
        await settled(desk)
        assert await ids(desk, "aurochsia") == set()
    assert await ids(desk, "quaggaline", public_only=True) == {number}


async def test_nothing_else_was_changed(desk: Desk) -> None:
    await settled(desk)
    await assert_equal(desk)
