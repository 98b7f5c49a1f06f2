"""Merges as the sample Zendesk shows them, and what the client reads of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from structlog.testing import capture_logs
from test_zendesk_client_sample import connect

from schemas.zendesk import Ticket
from streams.sources.zendesk.audits import Merges
from streams.sources.zendesk.client import ZendeskClient
from streams.sources.zendesk.comments import fetch_comments
from streams.transforms.whole_ticket import merged_by_comment
from ticketstream.local.sample.zendesk.faults import Fault
from ticketstream.local.sample.zendesk.running import SampleZendesk
from ticketstream.local.sample.zendesk.server import Options

AUDITS = "GET tickets/{id}/audits"
ONLY_IN_AUDITS = 11
"""A generated ticket whose merge left no comment."""


@pytest.fixture(scope="module")
def zendesk() -> Iterator[SampleZendesk]:
    with SampleZendesk(Options(tickets=60, seed=5, limits=False, export_delay=0)) as running:
        yield running


@pytest.fixture
async def client(zendesk: SampleZendesk) -> AsyncIterator[ZendeskClient]:
    zendesk.control.reset_stats()
    async with connect(zendesk) as made:
        yield made
    zendesk.control.clear_faults()


def ticket_of(zendesk: SampleZendesk, ticket_id: int) -> Ticket:
    row = zendesk.control.truth_of(ticket_id)["ticket"]
    return Ticket(
        id=ticket_id,
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        status=row["status"],
        tags=row["tags"],
    )


def created(zendesk: SampleZendesk, *words: str) -> list[int]:
    return [zendesk.control.create_ticket(f"About {word}", f"The {word} hums.")["id"] for word in words]


async def test_the_last_comment_and_the_audits_of_a_merged_ticket_name_its_target(
    zendesk: SampleZendesk, client: ZendeskClient
) -> None:
    target, source = created(zendesk, "target", "source")
    zendesk.control.merge(target, [source])
    for ticket_id, expected in ((source, target), (target, 0)):
        ticket = ticket_of(zendesk, ticket_id)
        comments = (await fetch_comments(client, ticket_id, "live")).comments
        assert merged_by_comment(ticket, comments) == expected
        assert await Merges(client).target(ticket, "live") == (expected, 1)


async def test_a_merge_is_asked_for_once_and_a_follow_up_is_none(
    zendesk: SampleZendesk, client: ZendeskClient
) -> None:
    merges = Merges(client)
    merged = ticket_of(zendesk, ONLY_IN_AUDITS)
    comments = (await fetch_comments(client, merged.id, "live")).comments
    assert merged_by_comment(merged, comments) == 0
    expected = zendesk.control.truth_of(merged.id)["merged_into"]
    assert merges.known(merged) == 0
    assert [await merges.target(merged, "live") for _ in range(2)] == [(expected, 1), (expected, 0)]
    assert merges.known(merged) == expected
    followed = zendesk.control.create_ticket("Again", "It is back.", via_followup_source_id=merged.id)
    assert "closed_by_merge" in followed["tags"]
    zendesk.control.set_status(followed["id"], "closed")
    # Nothing found is nothing to remember: an answer may be older than the merge.
    asked = ticket_of(zendesk, followed["id"])
    assert [await merges.target(asked, "live") for _ in range(2)] == [(0, 1), (0, 1)]
    assert zendesk.control.stats()["endpoints"][AUDITS] == 3


async def test_every_page_of_the_audits_is_read_until_the_merge(
    zendesk: SampleZendesk, client: ZendeskClient
) -> None:
    target, source = created(zendesk, "long target", "long source")
    for number in range(205):
        zendesk.control.add_comment(source, f"comment {number}")
    zendesk.control.merge(target, [source])
    assert await Merges(client).target(ticket_of(zendesk, source), "backfill") == (target, 3)


@pytest.mark.parametrize("status", [404, 422])
async def test_audits_that_are_not_shown_leave_a_ticket_unmarked_and_the_log_says_so(
    zendesk: SampleZendesk, client: ZendeskClient, status: int
) -> None:
    zendesk.control.set_faults(Fault(kind="error", path="/audits", status=status))
    merges = Merges(client)
    ticket = ticket_of(zendesk, ONLY_IN_AUDITS)
    with capture_logs() as logs:
        assert await merges.target(ticket, "live") == (0, 1)
    (line,) = logs
    assert line["log_level"] == "warning"
    assert "without the mark" in line["event"]
    assert line["ticket_id"] == ONLY_IN_AUDITS
    zendesk.control.clear_faults()
    assert (await merges.target(ticket, "live"))[0] > 0


async def test_what_can_be_had_later_is_waited_for(zendesk: SampleZendesk, client: ZendeskClient) -> None:
    zendesk.control.set_faults(Fault(kind="error", path="/audits", status=503, count=2))
    target, calls = await Merges(client).target(ticket_of(zendesk, ONLY_IN_AUDITS), "live")
    assert (target > 0, calls) == (True, 3)
