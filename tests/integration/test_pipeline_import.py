"""The healthy pipeline: what it imports is the account, and a second look changes nothing."""

from __future__ import annotations

from collections import Counter

from comparison import assert_equal
from conftest import TICKETS, Imported
from harness import Desk


async def test_whole_import_equals_the_account(desk: Desk, first_import: Imported) -> None:
    record = first_import.record
    assert not record.errors
    assert record.fetched >= TICKETS  # the export repeats rows
    assert record.indexed == TICKETS
    assert record.failed == 0
    assert record.done == record.fetched
    comparison = await assert_equal(desk)
    assert record.vectors_uploaded == comparison.chunks
    assert first_import.comment_calls == desk.fewest_comment_calls()
    assert await desk.dead_letters() == []
    receipts = await desk.receipts()
    assert Counter(receipt.ticket_id for receipt in receipts).most_common(1)[0][1] == 1
    assert len(receipts) == TICKETS


async def test_second_import_calls_nothing_and_writes_nothing(desk: Desk) -> None:
    written = len(await desk.receipts())
    desk.zendesk.reset_stats()
    record = await desk.whole_import()
    assert record.status == "completed"
    assert record.skipped == record.fetched >= desk.zendesk.health()["tickets"]
    assert record.embedding_calls == 0
    assert record.vectors_uploaded == 0
    assert desk.comment_calls() == 0
    assert len(await desk.receipts()) == written
    await assert_equal(desk)
