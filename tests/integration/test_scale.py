"""More partitions on the real stack: killed again and again, it ends the same, and nothing is done twice."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from command_process import Command
from comparison import arrived, assert_equal
from conftest import OpenDesk
from harness import Desk, settings_of

from schemas.messages.tickets import Receipt
from schemas.settings.load import PREFIX
from schemas.tables import EmbeddingSpent
from schemas.topics import EMBEDDED, ENRICHED, changelog_topic
from streams.kafka.partitions import account_partition, partition_of
from streams.kafka.topic_reader import TopicReader
from ticketstream.operations.imports.known import find_import

TICKETS = 150
BEFORE, AFTER = 4, 6
SECONDS = 120.0
"""After which a command is taken to hang."""
BY_KEY = (ENRICHED, EMBEDDED, changelog_topic("seen"), changelog_topic("indexed"))


class Kept(NamedTuple):
    """The newest message of a key."""

    partition: int
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


async def newest(desk: Desk, topic: str) -> dict[bytes, Kept]:
    """Return the live message of each key; fails when a key has two."""
    live: dict[tuple[bytes, int], Kept] = {}
    async with TopicReader(desk.settings.cluster, [topic]) as reader:
        async for raw in reader.to_end():
            place = (raw.key, raw.partition)
            if raw.value is None:
                live.pop(place, None)
            else:
                live[place] = Kept(raw.partition, raw.value, tuple(raw.headers))
    counted = Counter(key for key, _ in live)
    assert not [key for key, number in counted.items() if number > 1], f"{topic}: keys in two partitions"
    return {key: kept for (key, _), kept in live.items()}


def use(desk: Desk, partitions: int) -> None:
    """Set the number of partitions, as a person does afterwards."""
    desk.environment[f"{PREFIX}KAFKA__PARTITIONS"] = str(partitions)
    desk.settings = settings_of(desk.environment)
    desk.partitions = partitions


async def end(command: Command) -> tuple[int, str, str]:
    """Return exit status, standard output and standard error."""
    ended = await asyncio.to_thread(command.ended, SECONDS)
    return ended.returncode, ended.stdout, ended.stderr


def kill_in(desk: Desk, step: str, seconds: float) -> bool:
    """Begin, and kill it so long after it has come to a step; says whether it was still there."""
    command = desk.begin("scale", "--partitions", str(AFTER), "--json")
    deadline = time.monotonic() + SECONDS
    while f"\n{step}" not in f"\n{command.told()}":
        assert time.monotonic() < deadline, command.told()
        if not command.runs:
            break
        time.sleep(0.01)
    time.sleep(seconds)
    there = command.runs
    command.kill()
    print(f"{'killed' if there else 'too late'} {seconds:.2f} s after {step!r}: {command.told()[-80:]!r}")
    return there


def live_count(receipts: Sequence[Receipt]) -> int:
    return sum(not each.import_id for each in receipts)


def indexed_live(receipts: Sequence[Receipt]) -> set[int]:
    return {each.ticket_id for each in receipts if not each.import_id and each.outcome == "indexed"}


async def spent(desk: Desk) -> list[EmbeddingSpent]:
    """Return what the partitions have spent today, by their numbers."""
    entries: dict[int, EmbeddingSpent] = {}
    async with TopicReader(desk.settings.cluster, [changelog_topic("spending")]) as reader:
        async for raw in reader.to_end():
            entries[raw.partition] = msgspec.json.decode(raw.value, type=EmbeddingSpent)
    return [entries[number] for number in sorted(entries)]


async def test_a_replay_under_way_and_what_was_spent_come_along(open_desk: OpenDesk) -> None:
    desk = open_desk(250)
    desk.environment |= {
        f"{PREFIX}EMBEDDING__PROVIDER": "gemini",
        f"{PREFIX}EMBEDDING__TOKENS_PER_DAY": "10000000",
    }
    use(desk, BEFORE)
    worker = desk.worker()
    imported = await desk.whole_import()
    assert imported.status == "completed"
    before, calls = await spent(desk), desk.comment_calls()
    assert sum(each.tokens for each in before) > 0
    await desk.lose_index()

    # The replay has come to its first tickets when the worker dies: the others are anywhere on their way.
    begun = desk.command("replay", "--from", "embedded", "--no-wait", "--json")
    assert begun.returncode == 0, begun.stderr
    replay_id = json.loads(begun.stdout)["id"]

    def done(receipts: Sequence[Receipt]) -> set[int]:
        return {each.ticket_id for each in receipts if each.import_id == replay_id}

    def killed(receipts: Sequence[Receipt]) -> bool:
        if done(receipts):
            worker.kill()
        return not worker.runs

    await desk.received(killed)
    at_first = len(done(await desk.receipts()))
    assert 0 < at_first < imported.indexed
    scaled = desk.command("scale", "--partitions", str(AFTER), "--json")
    assert (scaled.returncode, json.loads(scaled.stdout)["status"]) == (0, "done"), scaled.stderr
    in_between = len(done(await desk.receipts()))
    print(f"of {imported.indexed} tickets {at_first} were there at the kill, {in_between} after the change")

    use(desk, AFTER)
    desk.worker()
    record = await desk.import_state(replay_id)
    assert (record.status, record.failed, record.errors) == ("completed", 0, [])
    assert (record.zendesk_calls, record.embedding_calls) == (0, 0)
    assert desk.comment_calls() == calls
    await assert_equal(desk)
    after = await spent(desk)
    assert len(after) == AFTER
    assert sum(each.tokens for each in after) == pytest.approx(sum(each.tokens for each in before))
    assert await desk.dead_letters() == []


async def test_more_partitions_killed_again_and_again(open_desk: OpenDesk, tmp_path: Path) -> None:
    seed = int(os.environ.get("SEED") or random.randrange(10_000))
    chance = random.Random(seed)
    print(f"SEED={seed}")
    desk = open_desk(TICKETS)
    use(desk, BEFORE)
    worker = desk.worker()
    importing = asyncio.create_task(desk.import_state(await desk.begin_import()))

    # Refused: fewer, and while a worker runs.
    await desk.received(lambda receipts: len(receipts) > 0)
    more = ("scale", "--partitions", str(AFTER), "--json")
    refusals = [desk.begin("scale", "--partitions", "3"), desk.begin(*more)]
    fewer, at_work = await asyncio.gather(*map(end, refusals))
    elsewhere = await end(desk.begin(*more, DATA_DIR=str(tmp_path / "of another machine")))
    assert fewer[:2] == (1, "")
    assert "the topics have 4 partitions, and Kafka can only add some: 3 would be fewer" in fewer[2]
    assert at_work[:2] == (1, "")
    assert "a worker is still running on this machine: stop all workers" in at_work[2]
    assert elsewhere[:2] == (1, "")
    assert "a worker is still running (" in elsewhere[2]
    record = await importing
    assert record.status == "completed"

    # A burst of changes, and the worker is killed in the middle: some are in flight, some not begun.
    open_tickets = [
        truth["id"]
        for truth in desk.zendesk.truth()
        if not truth["removed"] and truth["ticket"]["status"] != "closed"
    ]
    changed = set(open_tickets[::4])
    calls_before = desk.comment_calls()
    for ticket_id in changed:
        desk.zendesk.add_comment(ticket_id, "Stranded halfway, near the old lighthouse")
    await desk.received(lambda receipts: live_count(receipts) >= len(changed) // 3)
    worker.kill()
    kept_before = {topic: await newest(desk, topic) for topic in BY_KEY}
    status, answer, words = await end(desk.begin(*more, "--dry-run"))
    assert status == 0, words
    plan = json.loads(answer)
    assert (plan["status"], plan["from"], plan["to"]) == ("planned", BEFORE, AFTER)
    assert plan["keys"] >= len(BY_KEY) * TICKETS // 4

    # Killed in every part of it, it goes on.
    last = chance.choice(["adapting imports", "setting the workers' offsets"])
    killed = [
        kill_in(desk, "making partitions", chance.uniform(0, 0.3)),
        kill_in(desk, "moving keys", chance.uniform(0, 0.2)),
    ]
    assert killed[0]
    early = desk.command("worker")
    assert (early.returncode, f"run `ticketstream scale --partitions {AFTER}` again" in early.stderr) == (
        1,
        True,
    )
    killed.append(kill_in(desk, last, chance.uniform(0, 0.1)))
    status, answer, words = await end(desk.begin(*more))
    print(words)
    assert status == 0, words
    assert json.loads(answer)["status"] in ("done", "unchanged")

    stale = desk.command("worker")
    assert (stale.returncode, f"set it to {AFTER}" in stale.stderr) == (1, True)
    use(desk, AFTER)
    desk.worker()
    tickets: int = desk.zendesk.health()["tickets"]
    for topic in BY_KEY:
        now = await newest(desk, topic)
        assert all(kept.partition == partition_of(key, AFTER) for key, kept in now.items()), topic
        assert now.keys() == kept_before[topic].keys()
        same = [key for key, kept in now.items() if kept[1:] == kept_before[topic][key][1:]]
        # What was in flight was embedded and indexed; nothing else has changed, to the last header.
        assert len(same) >= tickets - len(changed)
    assert (await newest(desk, changelog_topic("cursors"))).keys() == {desk.account.encode()}
    imports = await newest(desk, changelog_topic("imports"))
    assert {kept.partition for kept in imports.values()} == {account_partition(desk.account, AFTER)}
    known = await find_import(desk.settings.cluster, record.id)
    assert (known.record.indexed, known.record.status) == (record.indexed, "completed")

    # Nothing but the burst is worked on any more.
    await desk.received(lambda receipts: changed <= indexed_live(receipts))
    calls = desk.comment_calls()
    assert calls - calls_before <= 2 * len(changed)
    again = await desk.whole_import()
    assert desk.comment_calls() == calls
    assert (again.status, again.vectors_uploaded, again.embedding_calls, again.failed) == (
        "completed",
        0,
        0,
        0,
    )
    assert again.skipped == again.fetched >= tickets
    indexed = Counter(
        each.ticket_id for each in await desk.receipts() if each.outcome in ("indexed", "removed")
    )
    assert len(indexed) == tickets
    assert {ticket_id for ticket_id, times in indexed.items() if times > 1} <= changed

    # Live changes of tickets that have moved: in order, and a deletion stays one.
    keys = {number: f"{desk.account}:{number}".encode() for number in open_tickets}
    moved = [number for number, key in keys.items() if desk.partition(key) != partition_of(key, BEFORE)][:6]
    for number in moved:
        desk.zendesk.add_comment(number, "First the harbour")
        desk.zendesk.add_comment(number, "then the cliffs")
    desk.zendesk.delete(moved[0])
    await arrived(desk, *moved)
    assert await desk.dead_letters() == []
    await assert_equal(desk)
    compared = desk.command("reconcile", "--json")
    assert compared.returncode == 0, compared.stderr
    assert desk.workers[-1].terminate() == 0
    assert await desk.unacknowledged() == {}
    points = await desk.indexed_through()
    assert sorted(points) == list(range(AFTER))
    assert all(said == committed for said, committed in points.values()), points
