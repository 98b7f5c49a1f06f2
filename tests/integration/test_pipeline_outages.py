"""Services that go away or misbehave in the middle of an import: everything waits, and nothing is lost.

Kafka's death is in the fault suite.
"""

from __future__ import annotations

import asyncio
import time

from comparison import assert_equal
from conftest import OpenDesk
from harness import Desk

from schemas.imports import ImportRecord
from ticketstream.sample.zendesk.faults import Fault

TICKETS = 400
SLOWLY = {"ZENDESK__REQUESTS_PER_MINUTE": 6_000}
AWAY_SECONDS = 20.0


async def begun(desk: Desk) -> str:
    """Start an import, and return its id when a fifth of it is done."""
    import_id = await desk.begin_import()
    await desk.received(lambda receipts: len(receipts) >= TICKETS / 5)
    assert len(await desk.receipts()) < 0.9 * TICKETS, "too late for the middle of the import"
    return import_id


async def assert_all_there(desk: Desk, import_id: str) -> ImportRecord:
    record = await desk.import_state(import_id)
    assert record.status == "completed"
    letters = await desk.dead_letters()
    assert [(letter.stage, letter.error_type, letter.message) for letter in letters] == []
    assert record.failed == 0
    assert not record.errors
    await assert_equal(desk)
    assert all(worker.runs for worker in desk.workers)
    return record


async def test_weaviate_is_away_for_twenty_seconds(open_desk: OpenDesk) -> None:
    desk = open_desk(TICKETS)
    desk.worker(**SLOWLY)
    import_id = await begun(desk)
    await asyncio.to_thread(desk.stack.stop_service, "weaviate")
    gone = time.monotonic()
    # What was written just before it went is acknowledged by then.
    await asyncio.sleep(AWAY_SECONDS / 4)
    indexed = len(await desk.receipts())
    await asyncio.sleep(AWAY_SECONDS - (time.monotonic() - gone))
    assert len(await desk.receipts()) == indexed < TICKETS
    await asyncio.to_thread(desk.stack.start_service, "weaviate")
    await assert_all_there(desk, import_id)
    # Zendesk was not asked again because Weaviate was away.
    assert desk.comment_calls() == desk.fewest_comment_calls()


async def test_zendesk_refuses_breaks_and_drops_calls(open_desk: OpenDesk) -> None:
    desk = open_desk(TICKETS)
    # From the first call on, and each ends by itself: all have struck long before the last ticket's call.
    kinds = [
        Fault(kind="rate_limit", probability=0.3, retry_after=1, count=20),
        Fault(kind="error", status=500, probability=0.1, count=5),
        Fault(kind="error", status=503, probability=0.1, count=5),
        Fault(kind="drop", probability=0.1, count=5),
        Fault(kind="cut", probability=0.1, count=5),
        Fault(kind="truncated", probability=0.1, count=5),
        Fault(kind="html", probability=0.1, count=5),
        Fault(kind="hang", probability=0.1, hang_seconds=2, count=5),
    ]

    desk.zendesk.set_faults(*kinds)
    desk.worker()
    await assert_all_there(desk, await desk.begin_import())
    assert [fault for fault in desk.zendesk.stats()["faults"] if fault["left"]] == []
