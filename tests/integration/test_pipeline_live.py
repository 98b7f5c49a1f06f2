"""Live changes: each kind arrives, is found where it may be, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from comparison import arrived, assert_equal
from harness import Desk

from streams.embeddings.build import build_provider
from streams.search.hybrid import Hit, Search
from streams.weaviate.client import connect


def tickets_at_work(desk: Desk) -> Iterator[dict[str, Any]]:
    """Yield tickets that can be changed and have public and internal comments."""
    for truth in desk.zendesk.truth():
        kinds = {comment["public"] for comment in truth["comments"] if comment["body"].strip()}
        if not truth["removed"] and truth["ticket"]["status"] != "closed" and kinds == {True, False}:
            yield truth


async def search(desk: Desk, text: str, *, public_only: bool = False) -> Sequence[Hit]:
    provider = build_provider(desk.settings)
    (vector,) = await provider.embed([text], "query")
    await provider.close()
    async with await connect(desk.settings) as connection:
        return await Search(connection).search(
            desk.account, text, vector, limit=5, public_only=public_only, every_chunk=True
        )


async def finds(desk: Desk, word: str, ticket_id: int, *, public_only: bool = True) -> bool:
    hits = await search(desk, word, public_only=public_only)
    return any(hit.ticket_id == ticket_id and word in hit.text for hit in hits)


async def test_comments_are_searchable_by_whom_they_are_for(desk: Desk) -> None:
    talk, note = (truth["id"] for truth, _ in zip(tickets_at_work(desk), range(2), strict=False))
    desk.zendesk.add_comment(talk, "The gramophone zebrawood9 plays backwards")
    desk.zendesk.add_comment(note, "Customer is a quokkaphile7, be kind", public=False)
    desk.zendesk.add_comment(note, html="<p>See <b>narwhal5</b> &amp; more</p>")
    await arrived(desk, talk, note)
    assert await finds(desk, "zebrawood9", talk)
    assert await finds(desk, "narwhal5", note)
    assert await finds(desk, "quokkaphile7", note, public_only=False)
    assert not await finds(desk, "quokkaphile7", note)


async def test_every_kind_of_change_arrives(desk: Desk) -> None:
    zendesk = desk.zendesk
    refused_before = await desk.dead_letters()
    chosen = [truth["id"] for truth, _ in zip(tickets_at_work(desk), range(13), strict=False)][2:]
    said, status, private, redacted, merged, target, deleted, spam, purged, facts, grown = chosen
    secret = zendesk.add_comment(private, "My code is okapi-one")
    number = zendesk.add_comment(redacted, "My card is 4111 okapi-two 1111")
    await arrived(desk, private, redacted)
    assert await finds(desk, "okapi", private)

    zendesk.add_comment(said, "It happened again")
    zendesk.set_status(status, "solved")
    zendesk.make_private(private, secret)
    zendesk.redact(redacted, number, "okapi-two")
    zendesk.merge(target, [merged], "merged in", "merged away")
    zendesk.delete(deleted)
    zendesk.mark_as_spam(spam)
    zendesk.delete(purged)
    zendesk.delete_permanently(purged)
    zendesk.update(facts, subject="A heliotrope matter", priority="urgent", tags=["vip", "b"], group_id=None)
    zendesk.add_comment(grown, "Long. " + "A sentence of some length, for another chunk. " * 200)
    new = zendesk.create_ticket("A new ticket", "Its first words", tags=["fresh"])["id"]
    await arrived(desk, *chosen, new)
    assert not await finds(desk, "okapi", private)
    assert await finds(desk, "okapi", private, public_only=False)
    assert not await finds(desk, "okapi", redacted, public_only=False)
    assert (await search(desk, "heliotrope"))[0].ticket_id == facts

    # And back again: restored, shrunk, and changed twice before anybody looked.
    zendesk.restore(deleted)
    zendesk.restore(spam)
    text = next(each["body"] for each in zendesk.truth_of(grown)["comments"] if each["body"].startswith("Lo"))
    zendesk.redact(grown, zendesk.truth_of(grown)["comments"][-1]["id"], text[200:])
    zendesk.set_status(said, "pending")
    zendesk.set_status(said, "open")
    zendesk.delete(new)
    await arrived(desk, *chosen, new)
    assert zendesk.truth_of(new)["removed"]
    await assert_equal(desk)
    assert await desk.dead_letters() == refused_before


async def test_changes_during_an_import_are_not_undone_by_it(desk: Desk) -> None:
    import_id = await desk.begin_import()
    changed = [truth["id"] for truth, _ in zip(tickets_at_work(desk), range(20), strict=False)]
    for number, ticket_id in enumerate(changed):
        desk.zendesk.add_comment(ticket_id, f"While importing {number}")
        if number % 3 == 0:
            desk.zendesk.delete(ticket_id)
    assert (await desk.import_state(import_id)).status == "completed"
    await arrived(desk, *changed)
    await assert_equal(desk)
