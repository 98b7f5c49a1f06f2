"""Comments read in bulk: a dozen calls for hundreds of tickets, also when the worker dies in between."""

from __future__ import annotations

import json

from comparison import assert_equal
from conftest import OpenDesk
from harness import Desk

from schemas.topics import changelog_topic
from streams.kafka.topic_reader import TopicReader

TICKETS = 500
FEW_CALLS = 12
AGAIN = 3
"""Calls that a crash repeats: a page of the export, one of events, names that were on their way."""


async def held(desk: Desk) -> set[bytes]:
    """Return the keys of what the table ``comments`` holds."""
    entries: dict[bytes, bytes | None] = {}
    async with TopicReader(desk.settings.cluster, [changelog_topic("comments")]) as reader:
        async for raw in reader.to_end():
            entries[raw.key] = raw.value
    assert entries, "comments have been held"
    return {key for key, value in entries.items() if value is not None}


async def test_hundreds_of_tickets_in_bulk_with_a_worker_that_dies(open_desk: OpenDesk) -> None:
    desk = open_desk(TICKETS)
    settings = {
        "ZENDESK__COMMENTS": "bulk",
        "ZENDESK__INCREMENTAL_REQUESTS_PER_MINUTE": 90,
        "ZENDESK__POLL_SECONDS": 600,
    }
    worker = desk.worker(**settings)
    import_id = await desk.begin_import()
    reading = await desk.import_state(import_id, lambda record: record.events >= 1_000)
    assert (reading.status, reading.fetched) == ("running", 0)
    worker.kill()
    desk.worker(**settings)
    record = await desk.import_state(import_id)
    assert (record.status, record.comments, record.errors) == ("completed", "bulk", [])
    assert (record.indexed, record.failed) == (TICKETS, 0)
    print(f"{TICKETS:,} tickets, a worker killed: {record.zendesk_calls} Zendesk calls")
    assert record.zendesk_calls <= FEW_CALLS + AGAIN
    assert desk.comment_calls() == 0
    await assert_equal(desk)
    assert await desk.dead_letters() == []
    assert await held(desk) == set()

    # Fetched once more, ticket by ticket, not one text differs.
    ended = desk.command("replay", "--from", "changes", "--json")
    assert ended.returncode == 0, ended.stderr
    again = json.loads(ended.stdout)
    assert desk.comment_calls() == desk.fewest_comment_calls()
    assert again["tickets_done"] == TICKETS
    assert (record.embedding_calls > 0, again["api_calls"]["embedding"]) == (True, 0)
