"""A stack filled before the layout of 0.2.0 is taken over: nothing is imported or embedded again."""

from __future__ import annotations

import json
from pathlib import Path

import recorded_stack
from comparison import compare
from conftest import OpenDesk

from schemas.topics import EMBEDDED, INDEXED
from streams.kafka.topics import ensure_topics

RECORDED = Path(__file__).parent.parent / "data" / "stack-before-0.2.0.msgpack.gz"
TICKETS = 60


async def test_what_was_left_on_kafka_before_the_layout_changed_is_gone_on_with(open_desk: OpenDesk) -> None:
    recorded = recorded_stack.read(RECORDED)
    desk = open_desk(TICKETS)
    await ensure_topics(desk.settings)
    await recorded_stack.restore(desk.settings.cluster.servers, recorded)
    worker = desk.worker()

    # The tables know every ticket in the state it has: all of them are skipped, and no comment is asked for.
    again = await desk.whole_import()
    assert (again.status, again.fetched, again.skipped, again.failed) == ("completed", TICKETS, TICKETS, 0)
    assert (again.embedding_calls, desk.comment_calls()) == (0, 0)
    shown = json.loads(desk.command("imports", "list", "--json").stdout)
    assert sorted((one["status"], one["indexed"], one["skipped"]) for one in shown) == [
        ("completed", 0, TICKETS),
        ("completed", TICKETS, 0),
    ]

    # What had been embedded then fills the index, which this stack has lost.
    replayed = desk.command("replay", "--from", "embedded", "--json")
    assert replayed.returncode == 0, replayed.stderr
    assert (await compare(desk)).differences.examples == []
    assert worker.terminate() == 0
    assert sum(map(len, recorded.messages[EMBEDDED])) == sum(map(len, recorded.messages[INDEXED])) == TICKETS
