"""A worker that dies or is stopped in an import: nothing lost, doubled or stale, little repeated.

One of two that is killed is in the fault suite.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from comparison import assert_equal
from conftest import OpenDesk
from harness import Desk, until

from agents.services.engines import MAX_HELD_MESSAGES
from schemas.messages.tickets import Receipt

TICKETS = 300
SLOWLY = {"ZENDESK__REQUESTS_PER_MINUTE": 6_000}
"""A hundred tickets a second: enough time to strike in the middle."""
IN_FLIGHT = MAX_HELD_MESSAGES
"""Calls that may be made again after a crash: those of tickets that enrich has taken in, and none else."""
STRUCK_AT = 0.6
"""By then a worker has done more than it has in flight: one that began anew would be found out."""


async def part_indexed(desk: Desk, share: float) -> None:
    """Wait until this share of the account is in the index."""
    tickets: int = desk.zendesk.health()["tickets"]

    def enough(receipts: Sequence[Receipt]) -> bool:
        return len(receipts) >= share * tickets

    await desk.received(enough)
    assert len(await desk.receipts()) < 0.9 * tickets, "too late for the middle of the import"


async def assert_done_once(desk: Desk, repeats: int) -> None:
    """Hold the index against the account; ``repeats`` is how many calls may have been made again."""
    await assert_equal(desk)
    assert await desk.dead_letters() == []
    written = Counter(
        receipt.ticket_id for receipt in await desk.receipts() if receipt.outcome in ("indexed", "removed")
    )
    assert len(written) == desk.zendesk.health()["tickets"]
    # Written, but not acknowledged yet: no more than the sink takes in before the first is.
    assert sum(written.values()) - len(written) <= (IN_FLIGHT if repeats else 0)
    again = desk.comment_calls() - desk.fewest_comment_calls()
    assert 0 <= again <= repeats
    await assert_all_is_indexed_through(desk)


async def assert_all_is_indexed_through(desk: Desk) -> None:
    """Hold what `status` says of how far Weaviate is against the offsets from which workers go on."""

    async def quiet() -> bool:
        return not await desk.unacknowledged()

    await until(quiet, 30, "all is acknowledged")
    points = await desk.indexed_through()
    assert all(said == committed for said, committed in points.values()), points
    assert sum(said + 1 for said, _ in points.values()) >= desk.zendesk.health()["tickets"]


async def test_the_only_worker_is_killed_and_started_again(open_desk: OpenDesk) -> None:
    tickets = 1_100  # two pages of the export; the second is not read yet when the worker dies
    settings = {
        "ZENDESK__REQUESTS_PER_MINUTE": 12_000,
        "ZENDESK__INCREMENTAL_REQUESTS_PER_MINUTE": 10,
        "ZENDESK__POLL_SECONDS": 600,
    }
    desk = open_desk(tickets)
    desk.log_in_by_client(5)
    worker = desk.worker(**settings)
    import_id = await desk.begin_import()
    await part_indexed(desk, STRUCK_AT)
    worker.kill()
    desk.worker(**settings)
    record = await desk.import_state(import_id)
    assert record.status == "completed"
    # The export goes on where it was: only the few rows that every page may repeat come twice.
    assert tickets <= record.fetched <= tickets + 10
    assert record.failed == 0
    await assert_done_once(desk, IN_FLIGHT)
    # Tokens ended meanwhile: whatever they opened went on with the next one.
    assert desk.zendesk.oauth()["granted"]["client_credentials"] >= 2


async def test_a_worker_that_is_asked_to_stop_leaves_nothing_to_repeat(open_desk: OpenDesk) -> None:
    desk = open_desk(TICKETS)
    worker = desk.worker(**SLOWLY)
    import_id = await desk.begin_import()
    await part_indexed(desk, 0.3)
    assert worker.terminate() == 0
    written = len(await desk.receipts())
    assert written < TICKETS
    desk.worker(**SLOWLY)
    record = await desk.import_state(import_id)
    assert record.status == "completed"
    await assert_done_once(desk, 0)
