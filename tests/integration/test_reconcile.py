"""Reconcile on a real stack: drift made in Weaviate is found and mended, and live changes are none."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from comparison import arrived, assert_equal, stored_chunks
from harness import Desk, until
from msgspec.structs import replace
from stacks import Stacks, take_leave
from weaviate.classes.query import Filter

from schemas.codec import decode, encode, headers_of
from schemas.ids import chunk_id, collection_name, ticket_key
from schemas.messages.tickets import EmbeddedTicket
from schemas.topics import EMBEDDED
from streams.kafka.messages import Record
from streams.kafka.topic_reader import TopicReader
from streams.transforms.chunking import CHUNKER_VERSION
from streams.weaviate.client import connect
from ticketstream.operations.reconcile.outcome import Outcome
from ticketstream.operations.reconcile.run import reconcile

TICKETS = 150
KINDS = ("missing", "stale", "chunks", "deleted", "unknown")
HIDDEN_SECONDS = 1.0
"""The export hides the second under way."""
UNKNOWN = 4_711
"""A ticket that never was."""


@pytest.fixture(scope="module")
def desk(stacks: Stacks) -> Iterator[Desk]:
    """A desk of this module, imported, with a worker that follows it."""
    with stacks.desk(TICKETS) as desk:
        desk.log_in_by_client(10)
        desk.worker()
        asyncio.run(desk.whole_import())
        yield desk


async def looked(desk: Desk, *, fix: bool = False, since: int = 0) -> Outcome:
    return await reconcile(
        desk.settings, since=since, fix=fix, progress=lambda *_: None, hidden_seconds=HIDDEN_SECONDS
    )


@asynccontextmanager
async def weaviate(desk: Desk) -> AsyncIterator[Any]:
    """The account's objects, open to whoever wants to spoil them."""
    settings = desk.settings
    name = collection_name(settings.embedding_model, settings.embedding_dimensions, CHUNKER_VERSION)
    async with await connect(settings) as connection:
        yield connection.client.collections.use(name).with_tenant(desk.account)


async def copied(objects: Any, source: uuid.UUID, target: uuid.UUID, **changed: Any) -> None:
    """Put an object under another id, with some properties changed."""
    held = await objects.query.fetch_object_by_id(source, include_vector=True)
    await objects.data.insert({**held.properties, **changed}, uuid=target, vector=held.vector["default"])


def figures(outcome: Outcome) -> dict[str, int]:
    return {kind: getattr(outcome.drift, kind) for kind in KINDS if getattr(outcome.drift, kind)}


async def places(desk: Desk) -> dict[int, list[tuple[str, int]]]:
    """Return the chunks of each ticket in the index, by visibility and number."""
    held: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for chunk in await stored_chunks(desk):
        held[chunk.ticket_id].append((chunk.visibility, chunk.chunk_index))
    return held


async def test_an_account_that_was_imported_is_in_step(desk: Desk) -> None:
    outcome = await looked(desk)
    truth = list(desk.zendesk.truth())
    assert outcome.in_step
    assert outcome.workers
    assert outcome.drift.tickets == outcome.changing == 0
    removed = sum(each["removed"] for each in truth)
    assert (outcome.totals.account, outcome.totals.removed) == (len(truth) - removed, removed)
    held = await places(desk)
    assert outcome.totals.indexed == len(held)
    assert outcome.totals.objects == sum(map(len, held.values()))
    assert outcome.totals.without_text == outcome.totals.account - outcome.totals.indexed
    assert outcome.zendesk_calls == 1


async def test_drift_is_told_and_mended(desk: Desk) -> None:
    held = await places(desk)
    several = [one for one, chunks in held.items() if len(chunks) > 1]
    gone, cut, grown, doubled, old, closed = several[:6]
    truth = {each["id"]: each for each in desk.zendesk.truth()}
    removed = [one for one, each in truth.items() if each["gone"]]
    account = desk.account

    async with weaviate(desk) as objects:
        # A ticket lost, the last and the first chunk of others lost, one chunk too many, one twice.
        await objects.data.delete_many(Filter.by_property("ticket_id").equal(gone))
        await objects.data.delete_by_id(chunk_id(account, cut, *max(held[cut])))  # type: ignore[arg-type]
        model = chunk_id(account, grown, *held[grown][0])  # type: ignore[arg-type]
        await copied(
            objects, model, chunk_id(account, grown, "internal", 90), visibility="internal", chunk_index=90
        )
        await copied(objects, chunk_id(account, doubled, *held[doubled][0]), uuid.uuid4())  # type: ignore[arg-type]
        # Others say something else than the account does.
        for one, field, value in ((old, "updated_at", "2020-01-01T00:00:00Z"), (closed, "status", "odd")):
            for place in held[one]:
                await objects.data.update(chunk_id(account, one, *place), {field: value})  # type: ignore[arg-type]
        # And what should not be there at all.
        for number in (removed[0], UNKNOWN):
            await copied(
                objects, model, chunk_id(account, number, "public", 0), ticket_id=number, chunk_index=0
            )

    expected = {"missing": 1, "stale": 2, "chunks": 3, "deleted": 1, "unknown": 1}
    outcome = await looked(desk)
    assert figures(outcome) == expected
    assert outcome.drift.surplus == 2
    assert not outcome.in_step
    assert outcome.fix is None
    assert outcome.drift.examples["missing"] == [gone]
    assert sorted(outcome.drift.examples["chunks"]) == sorted([cut, grown, doubled])
    assert outcome.drift.examples["unknown"] == [UNKNOWN]

    mended = await looked(desk, fix=True)
    assert mended.fix is not None
    assert (mended.fix.sent, mended.fix.mended) == (8, 8)
    assert figures(mended) == expected
    assert mended.in_step
    await assert_equal(desk)
    assert (await looked(desk)).in_step


async def test_merged_tickets_that_an_earlier_release_removed_come_back(desk: Desk) -> None:
    held = await places(desk)
    merged = next(each for each in desk.zendesk.truth() if each["merged_into"] and each["id"] in held)
    key = ticket_key(desk.account, merged["id"])
    async with TopicReader(desk.settings.cluster, {EMBEDDED: EmbeddedTicket}) as reader:
        (last,) = [raw async for raw in reader.to_end() if raw.key == key][-1:]
    ticket = decode(EmbeddedTicket, last.value, last.headers)
    origin = replace(ticket.origin, offset=ticket.origin.offset + 1)
    facts = replace(ticket.facts, merged_into=0)
    removal = replace(ticket, chunks=[], removed=True, facts=facts, origin=origin)
    await desk.send(Record(EMBEDDED, last.partition, key, encode(removal), headers_of(removal)))

    async def is_gone() -> bool:
        return merged["id"] not in await places(desk)

    await until(is_gone, 30, "the removal")
    outcome = await looked(desk, fix=True)
    assert outcome.drift.examples == {"missing": [merged["id"]]}
    assert outcome.in_step
    await assert_equal(desk)


async def test_the_command_says_so_and_ends_with_0_once_it_is_mended(desk: Desk) -> None:
    lost = min(await places(desk))
    async with weaviate(desk) as objects:
        await objects.data.delete_many(Filter.by_property("ticket_id").equal(lost))
    shown = await asyncio.to_thread(desk.command, "reconcile")
    assert shown.returncode == 1
    assert f"#{lost}" in shown.stdout
    assert shown.stderr.splitlines()[-1] == (
        "error: 1 ticket differs between account and index: mend it with `ticketstream reconcile --fix`"
    )
    done = await asyncio.to_thread(desk.command, "reconcile", "--fix", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 0, (done.stderr, told)
    assert told["fix"] == {"sent": 1, "mended": 1, "refused": {}}
    assert (told["drift"]["missing"], told["left"]["missing"], told["in_step"]) == (1, 0, True)
    shown = await asyncio.to_thread(desk.command, "reconcile")
    assert shown.returncode == 0, shown.stderr
    assert "account and index are in step" in shown.stderr


async def test_since_looks_at_what_changed_since(desk: Desk) -> None:
    truth = [each for each in desk.zendesk.truth() if not each["removed"]]
    held = await places(desk)
    truth = sorted(
        (each for each in truth if each["id"] in held), key=lambda each: each["generated_timestamp"]
    )
    early, late = truth[0], truth[-1]
    async with weaviate(desk) as objects:
        for each in (early, late):
            await objects.data.delete_many(Filter.by_property("ticket_id").equal(each["id"]))
    outcome = await looked(desk, since=late["generated_timestamp"])
    assert outcome.drift.examples == {"missing": [late["id"]]}
    assert outcome.drift.unknown == 0
    outcome = await looked(desk, fix=True)
    assert sorted(outcome.drift.examples["missing"]) == sorted([early["id"], late["id"]])
    assert outcome.in_step
    await assert_equal(desk)


async def test_live_changes_are_no_drift(desk: Desk) -> None:
    open_ones = [
        each["id"]
        for each in desk.zendesk.truth()
        if not each["removed"] and each["ticket"]["status"] not in ("closed", "solved")
    ][:40]
    ended = asyncio.Event()

    def change(number: int) -> None:
        ticket_id = open_ones[number % len(open_ones)]
        if number % 9 == 8:
            desk.zendesk.create_ticket(f"New {number}", "Said while somebody compares")
        elif number % 31 == 30 and len(open_ones) > 20:
            desk.zendesk.delete(open_ones.pop())
        elif number % 2:
            desk.zendesk.add_comment(ticket_id, f"Said while somebody compares, {number}")
        else:
            desk.zendesk.set_status(ticket_id, ("open", "pending", "hold")[number % 3])

    async def keep_changing() -> int:
        number = 0
        while not ended.is_set():
            await asyncio.to_thread(change, number)
            number += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), 0.02)
        return number

    changing = asyncio.create_task(keep_changing())
    outcomes = [await looked(desk, fix=bool(number)) for number in range(2)]
    ended.set()
    assert await changing > 20
    assert [figures(outcome) for outcome in outcomes] == [{}, {}]
    assert all(outcome.in_step and outcome.fix is None for outcome in outcomes)
    await arrived(desk)
    assert (await looked(desk)).in_step


async def test_without_workers_nothing_is_mended(desk: Desk) -> None:
    lost = min(await places(desk))
    async with weaviate(desk) as objects:
        await objects.data.delete_many(Filter.by_property("ticket_id").equal(lost))
    desk.stop_workers()
    await take_leave(desk)
    assert await desk.members() == 0
    done = await asyncio.to_thread(desk.command, "reconcile", "--fix")
    assert done.returncode == 1
    assert "1 ticket differs between account and index, and nothing was mended: no worker is" in done.stderr
    desk.worker()

    async def somebody() -> bool:
        return await desk.members() == 1

    await until(somebody, 60, "a worker")
    outcome = await looked(desk, fix=True)
    assert outcome.drift.examples == {"missing": [lost]}
    assert outcome.in_step
    assert await desk.dead_letters() == []
    await assert_equal(desk)
