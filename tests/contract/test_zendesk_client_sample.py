"""The client over real connections, against the sample Zendesk: whole accounts and every kind of trouble."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import CredentialsError, RefusedError, UnavailableError
from schemas.messages.tickets import EnrichedTicket, Origin, TicketChange
from streams.limits import QuotaShare
from streams.retries import RetryPolicy
from streams.sources.zendesk.check import whoami
from streams.sources.zendesk.client import ZendeskClient
from streams.sources.zendesk.comments import fetch_comments
from streams.sources.zendesk.count import count_tickets
from streams.sources.zendesk.export import change_from_row, export_page
from streams.sources.zendesk.export_file import FileTicket, read_export_file
from streams.sources.zendesk.login import StaticLogin
from streams.sources.zendesk.people import People
from streams.sources.zendesk.reader import TicketReader
from streams.transforms.names import Names
from streams.transforms.whole_ticket import enriched_ticket, is_removed
from ticketstream.local.sample.zendesk import DEFAULT_OAUTH_TOKEN
from ticketstream.local.sample.zendesk.faults import Fault
from ticketstream.local.sample.zendesk.running import SampleZendesk
from ticketstream.local.sample.zendesk.server import Options

TICKETS = 1_050
ORIGIN = Origin("tickets.changes", 0, 0)


def connect(zendesk: SampleZendesk, token: str = DEFAULT_OAUTH_TOKEN, **more: Any) -> ZendeskClient:
    options: dict[str, Any] = {
        "general": QuotaShare.whole(1e9),
        "incremental": QuotaShare.whole(1e9),
        "retry": RetryPolicy(factor=0.02),
        **more,
    }
    login = StaticLogin(f"Bearer {token}", "TICKETSTREAM_ZENDESK__OAUTH_TOKEN")
    return ZendeskClient(zendesk.base_url, login, **options)


@pytest.fixture(scope="module")
def zendesk() -> Iterator[SampleZendesk]:
    with SampleZendesk(Options(tickets=TICKETS, seed=5, limits=False, export_delay=0)) as running:
        yield running


@pytest.fixture
async def client(zendesk: SampleZendesk) -> AsyncIterator[ZendeskClient]:
    zendesk.control.clear_faults()
    zendesk.control.reset_stats()
    async with connect(zendesk) as made:
        yield made
    zendesk.control.clear_faults()


async def exported(client: ZendeskClient, per_page: int = 400) -> dict[int, TicketChange]:
    found: dict[int, TicketChange] = {}
    cursor: str | None = None
    while True:
        page = await export_page(client, start_time=0, cursor=cursor, per_page=per_page)
        for row in page.tickets:
            change = change_from_row(row, account="acme", source="import")
            assert change.ticket_id not in found or found[change.ticket_id].version <= change.version
            found[change.ticket_id] = change
        cursor = page.after_cursor
        if page.end_of_stream:
            return found


async def enrich(reader: TicketReader, change: TicketChange, gate: asyncio.Semaphore) -> EnrichedTicket:
    async with gate:
        if is_removed(change.ticket):
            return enriched_ticket(change, [], Names(), origin=ORIGIN, now=0)
        comments = await reader.comments(change.ticket_id, "backfill")
        names, calls = await reader.names(change, comments.comments, "backfill")
        return enriched_ticket(
            change, comments.comments, names, origin=ORIGIN, now=0, calls=comments.calls + calls
        )


async def test_a_whole_account_comes_as_it_is_with_few_calls(
    zendesk: SampleZendesk, client: ZendeskClient
) -> None:
    changes = await exported(client)
    reader = TicketReader(client, People(client))
    gate = asyncio.Semaphore(50)
    found = await asyncio.gather(*(enrich(reader, change, gate) for change in changes.values()))
    truth = {one["id"]: one for one in zendesk.control.truth()}
    assert sorted(changes) == sorted(truth)
    more_than_a_page = 0
    for ticket in found:
        real = truth[ticket.ticket_id]
        assert ticket.removed == real["removed"]
        assert ticket.version == real["generated_timestamp"]
        if ticket.removed:
            continue
        row, people = real["ticket"], real["people"]
        assert ticket.facts.requester == people[str(row["requester_id"])]
        assert ticket.facts.assignee == (
            "" if row["assignee_id"] is None else people[str(row["assignee_id"])]
        )
        assert (ticket.facts.organization, ticket.facts.group) == (real["organization"], real["group"])
        more_than_a_page += len(real["comments"]) > 100
        told = {one.comment_id: one for one in ticket.passages}
        for comment in real["comments"]:
            passage = told.pop(comment["id"], None)
            if passage is None:
                assert not comment["plain_body"].strip() and not comment["attachments"]
                continue
            assert passage.visibility == ("public" if comment["public"] else "internal")
            assert passage.author == people[str(comment["author_id"])]
            assert passage.attachments == [one["file_name"] for one in comment["attachments"]]
        assert not told
    assert more_than_a_page > 0
    stats = zendesk.control.stats()
    calls = stats["endpoints"]
    present = sum(not one.removed for one in found)
    pages = sum(-(-len(truth[one.ticket_id]["comments"]) // 100) or 1 for one in found if not one.removed)
    assert calls["GET tickets/{id}/comments"] == pages
    assert calls["GET groups"] == 1
    look_ups = calls["GET users/show_many"] + calls["GET organizations/show_many"]
    assert look_ups <= 0.1 * present
    assert (
        sum(one.zendesk_calls for one in found)
        == sum(calls.values()) - calls["GET incremental/tickets/cursor"]
    )
    assert client.calls == stats["calls"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="rate_limit", path="comments", retry_after=0.05, count=15),
        Fault(kind="error", path="comments", status=503, count=15),
        Fault(kind="drop", path="comments", count=15),
        Fault(kind="cut", path="comments", count=15),
        Fault(kind="hang", path="comments", count=15),
        Fault(kind="html", path="comments", count=15, probability=0.3),
    ],
    ids=lambda fault: fault.kind,
)
async def test_trouble_passes_and_nothing_is_missing(zendesk: SampleZendesk, fault: Fault) -> None:
    wanted = {
        one["id"]: len(one["comments"])
        for one in (zendesk.control.truth_of(number) for number in range(1, 41))
        if not one["removed"]
    }
    told: list[str] = []
    zendesk.control.set_faults(fault)
    async with connect(
        zendesk, timeout=0.4, on_retry=lambda endpoint, error, *_: told.append(type(error).__name__)
    ) as client:
        found = await asyncio.gather(*(fetch_comments(client, number, "live") for number in wanted))
    zendesk.control.clear_faults()
    assert {number: len(one.comments) for number, one in zip(wanted, found, strict=True)} == wanted
    kinds = {"rate_limit": "RateLimitedError", "truncated": "StrangeAnswerError"}
    assert told and set(told) == {kinds.get(fault.kind, "UnavailableError")}
    assert sum(one.calls for one in found) == client.calls


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="html", path="comments", count=20),
        Fault(kind="error", status=302, path="comments", count=20),
    ],
    ids=["page", "redirect"],
)
async def test_a_page_or_a_redirect_is_waited_for(zendesk: SampleZendesk, fault: Fault) -> None:
    told: list[str] = []
    zendesk.control.set_faults(fault)
    async with connect(zendesk, on_retry=lambda _, error, *__: told.append(str(error))) as client:
        assert (await fetch_comments(client, 1, "live")).calls == 21
    zendesk.control.clear_faults()
    assert len(told) == 20
    assert all("check TICKETSTREAM_ZENDESK__SUBDOMAIN" in line for line in told)


async def test_one_thing_refused_is_told_from_a_login_that_is(zendesk: SampleZendesk) -> None:
    async with connect(zendesk) as client:
        zendesk.control.set_faults(Fault(kind="error", status=403, path="tickets/1/"))
        with pytest.raises(RefusedError) as caught:
            await fetch_comments(client, 1, "live")
        assert caught.value.status == 403
        assert (await fetch_comments(client, 2, "live")).comments
        zendesk.control.set_faults(Fault(kind="error", status=403, path="incremental/tickets"))
        with pytest.raises(CredentialsError, match="must belong to an administrator"):
            await export_page(client, start_time=0, cursor=None)
        assert (await fetch_comments(client, 2, "live")).comments
    async with connect(zendesk) as client:
        zendesk.control.set_faults(Fault(kind="error", status=403))
        with pytest.raises(CredentialsError, match="the login may do nothing"):
            await fetch_comments(client, 2, "live")
    zendesk.control.clear_faults()


@pytest.mark.parametrize("status", [403, 404, 422, 500, 302])
async def test_an_import_needs_no_count(zendesk: SampleZendesk, status: int) -> None:
    zendesk.control.set_faults(Fault(kind="error", status=status, path="count"))
    async with connect(zendesk) as client:
        assert (await count_tickets(client, 0)).value is None
        assert client.troubles.now() == []
    zendesk.control.clear_faults()


async def test_a_storm_of_refusals_holds_everybody_back(zendesk: SampleZendesk) -> None:
    zendesk.control.set_faults(Fault(kind="rate_limit", path="comments", retry_after=0.4, count=20))
    zendesk.control.reset_stats()
    async with connect(zendesk, retry=RetryPolicy(factor=0)) as client:
        started = time.monotonic()
        await asyncio.gather(*(fetch_comments(client, 1, "live") for _ in range(20)))
        assert time.monotonic() - started >= 0.4
        assert client.calls == 40
    zendesk.control.clear_faults()


async def test_a_wrong_login_is_named(zendesk: SampleZendesk) -> None:
    async with connect(zendesk, token="wrong") as client:
        for asking in (whoami(client), fetch_comments(client, 1, "live")):
            with pytest.raises(CredentialsError, match="check TICKETSTREAM_ZENDESK__OAUTH_TOKEN"):
                await asking
        assert client.calls == 2


async def test_the_login_is_known(client: ZendeskClient) -> None:
    assert (await whoami(client)).role == "admin"


async def test_a_ticket_that_is_gone_is_a_404(zendesk: SampleZendesk, client: ZendeskClient) -> None:
    with pytest.raises(RefusedError) as caught:
        await fetch_comments(client, 10_000_000, "live")
    assert caught.value.status == 404


async def test_a_service_that_is_away_is_unavailable() -> None:
    async with ZendeskClient(
        "http://127.0.0.1:9",
        StaticLogin("Bearer x", "X"),
        general=QuotaShare.whole(1e9),
        incremental=QuotaShare.whole(1e9),
        retry=RetryPolicy(attempts=2, factor=0),
    ) as client:
        with pytest.raises(UnavailableError, match=r"http://127\.0\.0\.1:9"):
            await whoami(client)


async def test_within_the_limits_nobody_is_refused_and_nearly_all_is_used() -> None:
    # A "minute" of 3 seconds with 150 calls: 3,000 a minute of ours.
    options = Options(tickets=60, seed=5, requests_per_minute=150, time_scale=20)
    with SampleZendesk(options) as zendesk:
        general = QuotaShare(3_000, 4)
        general.own(4)
        stop = time.monotonic() + 6.0
        async with connect(zendesk, general=general) as client:

            async def caller(number: int) -> None:
                while time.monotonic() < stop:
                    await fetch_comments(client, 1 + number, "backfill")

            await asyncio.gather(*(caller(number) for number in range(12)), return_exceptions=True)
            stats = zendesk.control.stats()
        assert stats["buckets"]["general"] >= 0.93 * 300
        # The server's minutes don't begin with ours: a hiccup may push a call over the edge.
        assert stats["rate_limited"].get("general", 0) <= 6


async def test_an_export_file_says_the_same_as_the_api(
    zendesk: SampleZendesk, client: ZendeskClient, tmp_path: Path
) -> None:
    path = tmp_path / "export.ndjson"
    path.write_text("".join(line + "\n" for line in zendesk.control.export()), "utf-8")
    found = [one for one in read_export_file(path, account="acme") if isinstance(one, FileTicket)]
    lines = path.read_text("utf-8").split("\n")
    assert len(found) == len(lines) - 1 > TICKETS * 0.9
    for one in found[::29]:
        real = json.loads(lines[one.line - 1])
        fetched = await fetch_comments(client, one.change.ticket_id, "live")
        assert one.change.comments == fetched.comments
        assert one.change.ticket.requester_id == real["requester_id"]
        assert one.change.group == real["group"]["name"]


async def test_a_call_given_up_frees_its_connection(zendesk: SampleZendesk) -> None:
    zendesk.control.set_faults(Fault(kind="hang", path="comments"))
    async with connect(zendesk, connections=2) as client:
        tasks = [asyncio.create_task(fetch_comments(client, 1, "live")) for _ in range(4)]
        await asyncio.sleep(0.1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        zendesk.control.clear_faults()
        assert (await whoami(client)).role == "admin"
