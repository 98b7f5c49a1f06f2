"""Poison: what no release can read becomes a dead letter with its bytes, and its partition goes on."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from comparison import arrived, assert_equal
from harness import Desk, until
from msgspec.structs import replace
from poison import KINDS, unreadable

from schemas.codec import decode, encode, schema_header
from schemas.messages.dead_letters import DeadLetter
from schemas.messages.tickets import EmbeddedTicket, EnrichedTicket
from schemas.settings.load import PREFIX
from schemas.topics import (
    BACKFILL,
    CHANGES,
    EMBEDDED,
    ENRICHED,
    IMPORT_COMMANDS,
    IMPORT_PROGRESS,
)
from schemas.vectors import encode_vector
from streams.kafka.messages import Record
from streams.kafka.topic_reader import TopicReader
from ticketstream.local.sample.zendesk.faults import Fault
from ticketstream.operations.watch.follower import Follower
from ticketstream.operations.watch.overview import overview

SECONDS = 90.0


async def letters_of(desk: Desk, topic: str, count: int) -> list[DeadLetter]:
    """Wait for so many dead letters of a topic, and return them in the order of their originals."""
    found: list[DeadLetter] = []

    async def enough() -> bool:
        found[:] = [letter for letter in await desk.dead_letters() if letter.topic == topic]
        return len(found) >= count

    await until(enough, SECONDS, f"{count} dead letters of {topic}")
    return sorted(found, key=lambda letter: letter.offset)


def original(letter: DeadLetter, partition: int) -> Record:
    """Return the record that became a dead letter."""

    def plain(text: str | None) -> bytes | None:
        return None if text is None else base64.b64decode(text, validate=True)

    headers = [(name, plain(value) or b"") for name, value in letter.headers]
    assert letter.partition == partition
    return Record(letter.topic, partition, plain(letter.key), plain(letter.value), headers)


def newest_of(letters: Sequence[DeadLetter], count: int) -> list[DeadLetter]:
    """Return the last letters to fail, all of one partition, in the order of their messages."""
    newest = sorted(letters, key=lambda letter: letter.failed_at)[-count:]
    return sorted(newest, key=lambda letter: letter.offset)


async def goes_on(desk: Desk, ticket_id: int) -> None:
    """Change a ticket and wait until it is in the index: it passes every topic in its partition."""
    desk.zendesk.add_comment(ticket_id, "Does it still go on?")
    await arrived(desk, ticket_id)


def open_ticket(desk: Desk, skip: int) -> int:
    """Return a ticket that can be changed."""
    found = [
        truth["id"]
        for truth in desk.zendesk.truth()
        if not truth["removed"] and truth["ticket"]["status"] != "closed"
    ]
    number: int = found[skip]
    return number


@pytest.mark.parametrize("topic", [CHANGES, BACKFILL, ENRICHED, EMBEDDED, IMPORT_COMMANDS, IMPORT_PROGRESS])
async def test_unreadable_messages_are_kept_and_passed(desk: Desk, topic: str) -> None:
    of_account = topic in (IMPORT_COMMANDS, IMPORT_PROGRESS)
    ticket_id = open_ticket(desk, 30 + list(KINDS).index(topic))
    key = desk.account.encode() if of_account else f"{desk.account}:{ticket_id}".encode()
    partition = desk.partition(key)
    poison = unreadable(topic, partition, key)
    before = len([letter for letter in await desk.dead_letters() if letter.topic == topic])
    await desk.send(*(record for record, _ in poison))
    await goes_on(desk, ticket_id)
    letters = await letters_of(desk, topic, before + len(poison))
    new = newest_of(letters, len(poison))
    assert [original(letter, partition) for letter in new] == [record for record, _ in poison]
    assert [letter.error_type for letter in new] == [error for _, error in poison]
    assert all(letter.message and "\n" not in letter.message[:100] for letter in letters)
    assert desk.workers[0].runs
    await assert_equal(desk)


async def test_readable_messages_that_cannot_be_handled_are_kept_and_passed(desk: Desk) -> None:
    ticket_id = open_ticket(desk, 40)
    key = f"{desk.account}:{ticket_id}".encode()
    partition = desk.partition(key)
    desk.zendesk.add_comment(ticket_id, "So that there are messages")
    await goes_on(desk, ticket_id)
    async with TopicReader(desk.settings.cluster, [EMBEDDED, ENRICHED], partitions=[partition]) as reader:
        newest = {raw.topic: raw async for raw in reader.to_end() if raw.key == key and raw.value}
    whole = decode(EmbeddedTicket, newest[EMBEDDED].value, newest[EMBEDDED].headers)
    text = decode(EnrichedTicket, newest[ENRICHED].value, newest[ENRICHED].headers)
    later = whole.version + 1_000_000
    chunk = whole.chunks[0]
    no_tenant = f"no tenant!:{ticket_id}".encode()
    poison = [
        # Another ticket's message under this one's key, and the other way round.
        (ENRICHED, key, replace(text, ticket_id=ticket_id + 1, version=later)),
        (ENRICHED, b"another", replace(text, version=later)),
        (EMBEDDED, key, replace(whole, account="other", version=later)),
        (EMBEDDED, key, replace(whole, version=later, chunks=[replace(chunk, vector="not base64!")])),
        (EMBEDDED, key, replace(whole, version=later, chunks=[replace(chunk, vector=encode_vector([1, 2]))])),
        (
            EMBEDDED,
            key,
            replace(
                whole, version=later, chunks=[replace(chunk, vector=encode_vector([float("nan")] * 256))]
            ),
        ),
        (
            EMBEDDED,
            key,
            replace(
                whole, version=later, dimensions=2, chunks=[replace(chunk, vector=encode_vector([1, 2]))]
            ),
        ),
        (EMBEDDED, no_tenant, replace(whole, account="no tenant!", version=later)),
        (EMBEDDED, key, replace(whole, collection="not a collection", version=later)),
        (EMBEDDED, key, replace(whole, collection="Customers", version=later)),
    ]
    records = [
        Record(topic, partition, name, encode(message), [schema_header(type(message))])
        for topic, name, message in poison
    ]
    before = {topic: len(await letters_of(desk, topic, 0)) for topic in (ENRICHED, EMBEDDED)}
    await desk.send(*records)
    await goes_on(desk, ticket_id)
    for topic in (ENRICHED, EMBEDDED):
        sent = [record for record in records if record.topic == topic]
        letters = await letters_of(desk, topic, before[topic] + len(sent))
        assert [original(letter, partition) for letter in newest_of(letters, len(sent))] == sent
    assert desk.workers[0].runs
    await assert_equal(desk)


async def test_bad_answers_set_aside_their_tickets_and_hold_up_no_other(desk: Desk) -> None:
    """One ticket's comments are forbidden, another's cannot be read, all others' redirected for a while."""
    of_partition: dict[int, list[int]] = {}
    for ticket_id in (open_ticket(desk, skip) for skip in range(45, 80)):
        of_partition.setdefault(desk.partition(f"{desk.account}:{ticket_id}".encode()), []).append(ticket_id)
    refused, broken, *good = max(of_partition.values(), key=len)
    # The changes made below make up for what other tests have lost of the same tickets.
    desk.discard_dead_letters()
    before = {letter.id for letter in await desk.dead_letters()}
    follower = Follower(desk.settings)
    following = asyncio.create_task(follower.run())

    def state() -> dict[str, Any]:
        return overview(follower, desk.settings, chunks=None, away={})

    async def shows(condition: Callable[[], bool], what: str) -> None:
        async def holds() -> bool:
            return follower.caught_up and condition()

        await until(holds, SECONDS, what)

    try:
        await shows(lambda: not follower.lost.count, "that all letters are discarded")
        # The first that fits strikes. Tries at what cannot be read must begin at once: their pauses grow.
        desk.zendesk.set_faults(
            Fault(kind="error", status=403, path=f"tickets/{refused}/comments"),
            Fault(kind="truncated", path=f"tickets/{broken}/comments"),
            Fault(kind="error", status=302, path="comments", seconds=3),
        )
        for ticket_id in (refused, broken, *good):
            desk.zendesk.add_comment(ticket_id, "Does it pass?")
        for ticket_id in good:
            await arrived(desk, ticket_id)
        new = [letter for letter in await desk.dead_letters() if letter.id not in before]
        assert not any(letter.key == _key(desk, broken) for letter in new), "it is still being tried"
        await shows(lambda: follower.lost.count == 2, "two live changes among the dead letters")
        new = [letter for letter in await desk.dead_letters() if letter.id not in before]
        told = {letter.key: (letter.error_type, letter.message) for letter in new}
        assert set(told) == {_key(desk, refused), _key(desk, broken)}
        assert told[_key(desk, refused)][0] == told[_key(desk, broken)][0] == "RefusedError"
        assert "answered 403" in told[_key(desk, refused)][1]
        assert "while others of its kind were answered" in told[_key(desk, broken)][1]
        await shows(lambda: "dead-letters retry" in state()["reason"], "what to do with them")
        assert state()["state"] == "behind"

        # A login that is refused stops all, is said, and goes on by itself.
        desk.zendesk.set_faults(Fault(kind="error", status=401))
        desk.zendesk.add_comment(good[0], "And this one?")
        said = "Zendesk refuses the login since"
        await shows(lambda: said in state()["reason"], "that the login is refused")
        assert state()["state"] == "stopped"
        assert f"{PREFIX}ZENDESK__" in state()["reason"]
        desk.zendesk.clear_faults()
        await arrived(desk, good[0])
        await shows(lambda: state()["state"] != "stopped", "that it is mended")

        ids = [letter.id for letter in new]
        assert desk.command("dead-letters", "retry", *ids, "--json").returncode == 0
        for ticket_id in (refused, broken):
            await arrived(desk, ticket_id)
        await shows(lambda: not follower.lost.count, "that nothing is lost any more")
    finally:
        desk.zendesk.clear_faults()
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    await assert_equal(desk)


def _key(desk: Desk, ticket_id: int) -> str:
    return base64.b64encode(f"{desk.account}:{ticket_id}".encode()).decode()
