"""Weaviate is away in the middle of an import: everything waits, and nothing is lost.

Kafka's death, and services that refuse and break calls, are in the fault suite.
"""

from __future__ import annotations

import asyncio
import time

from comparison import assert_equal
from conftest import OpenDesk

TICKETS = 300
AWAY_SECONDS = 10.0
"""Longer than a call may take and than the first pauses between two tries."""


async def test_weaviate_is_away_in_the_middle_of_an_import(open_desk: OpenDesk) -> None:
    desk = open_desk(TICKETS)
    worker = desk.worker(ZENDESK__REQUESTS_PER_MINUTE=6_000)
    import_id = await desk.begin_import()
    await desk.received(lambda receipts: len(receipts) >= TICKETS / 5)
    await asyncio.to_thread(desk.stack.stop_service, "weaviate")
    gone = time.monotonic()
    # What was written just before it went is acknowledged by then.
    await asyncio.sleep(AWAY_SECONDS / 2)
    indexed = len(await desk.receipts())
    assert indexed < 0.9 * TICKETS, "too late for the middle of the import"
    await asyncio.sleep(AWAY_SECONDS - (time.monotonic() - gone))
    assert len(await desk.receipts()) == indexed
    await asyncio.to_thread(desk.stack.start_service, "weaviate")
    record = await desk.import_state(import_id)
    assert (record.status, record.failed, record.errors) == ("completed", 0, [])
    assert await desk.dead_letters() == []
    await assert_equal(desk)
    assert worker.runs
    # Zendesk was not asked again because Weaviate was away.
    assert desk.comment_calls() == desk.fewest_comment_calls()
