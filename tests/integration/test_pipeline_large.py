"""The largest tickets: whole in the index, in parts on the topics, and nobody waits for them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence

from comparison import assert_equal, compare
from conftest import OpenDesk
from harness import Desk

from schemas.codec import is_part
from schemas.messages.tickets import Receipt
from schemas.topics import EMBEDDED, ENRICHED
from streams.kafka.topic_reader import TopicReader
from streams.weaviate import requests
from streams.weaviate.client import connect

TICKETS = 40
COMMENTS = 2_000
"""Enough for several parts on each topic; an account's largest tickets have 5,000."""


def open_tickets(desk: Desk) -> Iterator[int]:
    for truth in desk.zendesk.truth():
        if not truth["removed"] and truth["ticket"]["status"] != "closed":
            yield truth["id"]


async def parts_on(desk: Desk, topic: str) -> int:
    """Return how many parts a topic still holds, once it is compacted."""
    kept: dict[bytes, bool] = {}
    async with TopicReader(desk.settings.cluster, [topic]) as reader:
        async for raw in reader.to_end():
            if is_part(raw.headers):
                kept[raw.key] = raw.value is not None
    return sum(kept.values())


async def embedded_in_part(desk: Desk) -> None:
    """Wait until a part of a ticket has been embedded."""
    async with asyncio.timeout(90), TopicReader(desk.settings.cluster, [EMBEDDED]) as reader:
        while not any(is_part(raw.headers) for raw in await reader.next_batch(0.05)):
            pass


async def forget(desk: Desk, ticket_id: int) -> int:
    """Take a ticket's chunks out of Weaviate; returns how many there were."""
    async with await connect(desk.settings) as connection:
        deletion = requests.delete("Tickets", desk.account, requests.of_tickets([ticket_id]))
        return len((await connection.call("BatchDelete", deletion)).objects)


async def received(desk: Desk, ticket_id: int, before: Receipt | None = None) -> Receipt:
    """Wait until the index holds another number of chunks of a ticket; returns the receipt that says so."""
    found: list[Receipt] = []

    def changed(receipts: Sequence[Receipt]) -> bool:
        found[:] = [
            each
            for each in receipts
            if each.ticket_id == ticket_id
            and each.outcome == "indexed"
            and not each.import_id
            and (before is None or each.chunks != before.chunks)
        ]
        return bool(found)

    await desk.received(changed)
    return found[-1]


async def received_before(desk: Desk, last: Receipt) -> set[int]:
    """Return the tickets whose live changes were indexed before this one."""
    return {
        each.ticket_id
        for each in await desk.receipts()
        if each.outcome == "indexed" and not each.import_id and each.indexed_at < last.indexed_at
    }


async def test_a_ticket_in_parts_is_whole_in_spite_of_a_crash_while_others_go_on(
    open_desk: OpenDesk,
) -> None:
    desk = open_desk(TICKETS)
    worker = desk.worker()
    assert (await desk.whole_import()).status == "completed"
    large, *others = (ticket_id for ticket_id, _ in zip(open_tickets(desk), range(9), strict=False))
    desk.zendesk.lengthen(large, COMMENTS, 900)
    for number, ticket_id in enumerate(others):
        desk.zendesk.add_comment(ticket_id, f"Meanwhile {number}")
    await embedded_in_part(desk)
    worker.kill()
    desk.worker()
    whole = await received(desk, large)
    assert whole.chunks > COMMENTS * 0.6
    assert await received_before(desk, whole) >= set(others)
    assert (await compare(desk, only=[large])).equal
    assert (await parts_on(desk, ENRICHED), await parts_on(desk, EMBEDDED)) >= (2, 2)

    assert await forget(desk, large) == whole.chunks
    ended = await asyncio.to_thread(
        desk.command, "replay", "--from", "embedded", "--ticket", str(large), "--json"
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["api_calls"] == {"zendesk": 0, "embedding": 0}

    desk.zendesk.lengthen(large, 3)
    await received(desk, large, whole)
    assert (await parts_on(desk, ENRICHED), await parts_on(desk, EMBEDDED)) == (0, 0)
    await assert_equal(desk)
    assert await desk.dead_letters() == []
