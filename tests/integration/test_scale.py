"""More partitions on the real stack: killed again and again, it ends the same, and nothing is done twice."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from comparison import assert_equal
from conftest import OpenDesk
from harness import Desk, settings_of, until

from agents.partitions import account_partition, partition_of
from schemas.messages import Receipt
from schemas.settings import PREFIX
from schemas.state import changelog_topic
from schemas.topics import EMBEDDED, ENRICHED
from ticketstream.records.imports import find_import
from ticketstream.records.reader import TopicReader
from ticketstream.scale.broker import Broker

TICKETS = 250
BEFORE, AFTER = 4, 6
KILLS = 4
BY_KEY = (ENRICHED, EMBEDDED, changelog_topic("seen"), changelog_topic("indexed"))


class Kept(NamedTuple):
    """The newest message of a key."""

    partition: int
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


async def newest(desk: Desk, topic: str) -> dict[bytes, Kept]:
    """Return the live message of each key; fails when a key has two."""
    live: dict[tuple[bytes, int], Kept] = {}
    async with TopicReader(desk.settings.bootstrap_servers, [topic]) as reader:
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


def begun(desk: Desk) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "ticketstream", "scale", "--partitions", str(AFTER), "--json"],
        env=desk.environment,
        cwd=desk.data_dir,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


async def killed(desk: Desk, after: float) -> str:
    """Begin, and kill it; returns what it had said."""
    process = begun(desk)
    await asyncio.sleep(after)
    process.send_signal(signal.SIGKILL)
    _, said = await asyncio.to_thread(process.communicate)
    return said.decode()


def written(receipts: Sequence[Receipt]) -> set[int]:
    return {each.ticket_id for each in receipts if each.outcome in ("indexed", "removed", "unchanged")}


async def test_more_partitions_killed_again_and_again(open_desk: OpenDesk) -> None:
    seed = int(os.environ.get("SEED") or random.randrange(10_000))
    chance = random.Random(seed)
    print(f"SEED={seed}")
    desk = open_desk(TICKETS)
    use(desk, BEFORE)
    worker = desk.worker()
    record = await desk.whole_import()
    assert record.status == "completed"
    tickets: int = desk.zendesk.health()["tickets"]

    # Refused: fewer, and while a worker runs.
    fewer = desk.command("scale", "--partitions", "3")
    assert (fewer.returncode, fewer.stdout) == (1, "")
    assert "Kafka can only add some" in fewer.stderr
    same = desk.command("scale", "--partitions", str(BEFORE), "--json")
    assert (same.returncode, json.loads(same.stdout)["status"]) == (0, "unchanged")
    at_work = begun(desk)

    # A burst of changes, and the worker is killed in the middle: some are in flight, some not begun.
    open_tickets = [
        truth["id"]
        for truth in desk.zendesk.truth()
        if not truth["removed"] and truth["ticket"]["status"] != "closed"
    ]
    _, refused = await asyncio.to_thread(at_work.communicate)
    assert at_work.returncode == 1
    assert b"a worker is still running (" in refused
    changed = set(open_tickets[::4])
    calls_before = desk.comment_calls()
    for ticket_id in changed:
        desk.zendesk.add_comment(ticket_id, "Stranded halfway, near the old lighthouse")
    some = len(changed) // 3
    await desk.received(lambda receipts: len(written(receipts)) and _live(receipts) >= some)
    worker.kill()
    receipts_before = await desk.receipts()
    kept_before = {topic: await newest(desk, topic) for topic in BY_KEY}

    async def nobody() -> bool:
        return await desk.members() == 0

    await until(nobody, 30, "Kafka has forgotten the worker")
    planned = desk.command("scale", "--partitions", str(AFTER), "--dry-run", "--json")
    assert planned.returncode == 0, planned.stderr
    plan = json.loads(planned.stdout)
    print(plan)
    assert (plan["status"], plan["from"], plan["to"]) == ("planned", BEFORE, AFTER)

    said = [await killed(desk, chance.uniform(0.8, 4.0)) for _ in range(KILLS)]
    print([each.splitlines()[-1:] for each in said])
    async with Broker(desk.settings.bootstrap_servers) as broker:
        under_way = await broker.under_way()
    if under_way:
        early = desk.command("worker")
        assert early.returncode == 1
        assert f"run `ticketstream scale --partitions {AFTER}` again" in early.stderr
        other = desk.command("scale", "--partitions", str(AFTER + 2))
        assert other.returncode == 1
    began = time.monotonic()
    process = begun(desk)
    answer, words = await asyncio.to_thread(process.communicate)
    print(words.decode(), f"{time.monotonic() - began:.1f} s")
    assert process.returncode == 0, words
    done: dict[str, Any] = json.loads(answer)
    print(done)
    assert (done["status"], done["to"]) in (("done", AFTER), ("unchanged", AFTER))

    stale = desk.command("worker")
    assert stale.returncode == 1
    assert f"set it to {AFTER}" in stale.stderr
    use(desk, AFTER)
    for topic in BY_KEY:
        now = await newest(desk, topic)
        assert all(kept.partition == partition_of(key, AFTER) for key, kept in now.items()), topic
        assert now.keys() == kept_before[topic].keys()
        same_as_before = [key for key, kept in now.items() if kept[1:] == kept_before[topic][key][1:]]
        # What was in flight was embedded and indexed before; nothing else has changed, to the last header.
        assert len(same_as_before) >= tickets - len(changed)
    assert (await newest(desk, changelog_topic("cursors"))).keys() == {desk.account.encode()}
    imports = await newest(desk, changelog_topic("imports"))
    assert {kept.partition for kept in imports.values()} == {account_partition(desk.account, AFTER)}
    assert (await find_import(desk.settings.bootstrap_servers, record.id)).record.indexed == record.indexed

    # Nothing but the burst is worked on any more.
    desk.worker()
    await desk.received(lambda receipts: changed <= _since(receipts, receipts_before, changed))
    again = await desk.whole_import()
    assert (again.status, again.vectors_uploaded, again.embedding_calls, again.failed) == (
        "completed",
        0,
        0,
        0,
    )
    assert again.skipped == again.fetched >= tickets
    await assert_equal(desk)
    new = await desk.receipts()
    touched = {each.ticket_id for each in new if each.outcome != "duplicate"} if False else None
    assert touched is None
    indexed = Counter(each.ticket_id for each in new if each.outcome in ("indexed", "removed"))
    assert {ticket_id for ticket_id, times in indexed.items() if times > 1} <= changed
    assert desk.comment_calls() - calls_before <= 2 * len(changed)

    # Live changes of tickets that have moved: in order, and a deletion stays one.
    moved = [
        number
        for number in open_tickets
        if desk.partition(f"{desk.account}:{number}".encode())
        != partition_of(f"{desk.account}:{number}".encode(), BEFORE)
    ][:6]
    for number in moved:
        desk.zendesk.add_comment(number, "First the harbour")
        desk.zendesk.add_comment(number, "then the cliffs")
    desk.zendesk.delete(moved[0])
    await until(lambda: _equal(desk, moved), 60, "the changes of moved tickets")
    assert await desk.dead_letters() == []
    await assert_equal(desk)
    compared = desk.command("reconcile", "--json")
    assert compared.returncode == 0, compared.stderr
    assert desk.workers[-1].terminate() == 0
    assert await desk.unacknowledged() == {}


def _live(receipts: Sequence[Receipt]) -> int:
    return sum(not each.import_id for each in receipts)


def _since(receipts: Sequence[Receipt], before: Sequence[Receipt], changed: set[int]) -> set[int]:
    """Return which tickets have a receipt of a live change."""
    return {each.ticket_id for each in receipts if not each.import_id and each.outcome == "indexed"} & changed


async def _equal(desk: Desk, tickets: Sequence[int]) -> bool:
    from comparison import compare

    return (await compare(desk, only=tickets)).equal
