"""Comments read in bulk from the sample Zendesk: the same as ticket by ticket, whatever happened to them.

The sample's events show each comment as it was written, and tell of redactions and changes of privacy by
events of their own: whoever believes the comments alone shows what must not be seen.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from agents.app.meter import Meter
from agents.imports import runner as import_runner
from agents.imports.bulk_comments import BulkComments
from agents.imports.runner import ImportRunner
from agents.knowledge.backlog import Backlog
from agents.testing import InMemoryTables, a_part_store
from agents.tickets.enrich.stage import Enrich
from schemas.cluster import Cluster
from schemas.codec import decode, is_named
from schemas.ids import ticket_key
from schemas.messages.imports import CommentsWay, ImportRecord, ImportSpec
from schemas.messages.tickets import CommentEvents, EnrichedTicket, TicketChange
from schemas.settings.zendesk import ZendeskSettings
from schemas.topics import BACKFILL, ENRICHED
from streams.kafka.messages import Incoming
from streams.kafka.partitions import partition_of
from streams.kafka.positions import Positions
from streams.limits import QuotaShare
from streams.retries import RetryPolicy
from streams.sources.zendesk.client import ZendeskClient
from streams.sources.zendesk.login import StaticLogin
from streams.sources.zendesk.people import People
from streams.sources.zendesk.reader import TicketReader
from streams.sources.zendesk.ticket_events import events_page
from streams.testing import InMemoryProducer
from tests.shared_fixtures import logs
from ticketstream.local.sample.zendesk import DEFAULT_OAUTH_TOKEN
from ticketstream.local.sample.zendesk.faults import Fault
from ticketstream.local.sample.zendesk.running import SampleZendesk
from ticketstream.local.sample.zendesk.server import Options

__all__ = ["logs"]
pytestmark = pytest.mark.usefixtures("logs")

TICKETS = 200
PARTITIONS = 4
BACKLOG = Backlog(Positions(), 10, 10)
SECRET = "4111 1111 1111 1111"


class Pass:
    """An import of the sample's account and the enriching of what it sent, without Kafka."""

    def __init__(self, zendesk: SampleZendesk, client: ZendeskClient, way: str, **settings: Any) -> None:
        self.zendesk = zendesk
        self.client = client
        self.producer = InMemoryProducer()
        self.tables = InMemoryTables()
        self.enrich = Enrich(
            self.tables, TicketReader(client, People(client)), BACKLOG, a_part_store(self.tables), Positions()
        )
        self.record = ImportRecord(
            id="i1", account="acme", status="running", spec=ImportSpec(), started_at=1.0, updated_at=1.0
        )
        self.bulk = BulkComments(
            client,
            self.producer,  # type: ignore[arg-type]
            ZendeskSettings(comments=way, **settings),  # type: ignore[arg-type]
            partitions=PARTITIONS,
            seen=self.tables["seen"].get,
            owned=lambda: range(PARTITIONS),
        )
        self.runner = ImportRunner(
            client,
            self.producer,  # type: ignore[arg-type]
            cluster=Cluster("", PARTITIONS),
            bulk=self.bulk,
            meter=Meter(),
        )
        self._done = 0

    async def save(self) -> None: ...

    async def run(self) -> dict[int, EnrichedTicket]:
        await self.runner.run(self.record, self.save, lambda: [self.record])
        assert self.record.status == "completed", self.record.errors
        return await self.enriched()

    async def enriched(self) -> dict[int, EnrichedTicket]:
        """Enrich what has been sent, in its order, and return the newest state of each ticket."""
        found: dict[int, EnrichedTicket] = {}
        for offset, sent in enumerate(self.producer.on(BACKFILL)[self._done :], self._done):
            message = Incoming(sent.topic, sent.partition, offset, sent.key, sent.value, sent.headers)
            done = await self.enrich.handle(message)
            for mark in done.marks:
                await self.tables[mark.table].put(sent.partition, [(mark.key, mark.entry)])
            for record in done.records:
                assert record.topic == ENRICHED
                ticket = decode(EnrichedTicket, record.value, record.headers)
                found[ticket.ticket_id] = ticket
            self._done = offset + 1
        return found


@pytest.fixture(autouse=True)
def without_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    class CommittedOffsets:
        def __init__(self, *_: Any) -> None: ...

        async def __aenter__(self) -> CommittedOffsets:
            return self

        async def __aexit__(self, *_: object) -> None: ...

        async def wait_for(self, topic: str) -> None: ...

    monkeypatch.setattr(import_runner, "CommittedOffsets", CommittedOffsets)
    monkeypatch.setattr(import_runner, "_COUNTS_SECONDS", 0)


@pytest.fixture
def zendesk() -> Iterator[SampleZendesk]:
    with SampleZendesk(Options(tickets=TICKETS, seed=4, limits=False, export_delay=0)) as running:
        yield running


def connect(zendesk: SampleZendesk) -> ZendeskClient:
    login = StaticLogin(f"Bearer {DEFAULT_OAUTH_TOKEN}", "TICKETSTREAM_ZENDESK__OAUTH_TOKEN")
    general, incremental = QuotaShare.whole(1e9), QuotaShare.whole(1e9)
    retry = RetryPolicy(factor=0.02)
    return ZendeskClient(zendesk.base_url, login, general=general, incremental=incremental, retry=retry)


@pytest.fixture
async def client(zendesk: SampleZendesk) -> AsyncIterator[ZendeskClient]:
    async with connect(zendesk) as made:
        yield made


def told(tickets: dict[int, EnrichedTicket]) -> dict[int, Any]:
    """Return what enriched tickets say."""
    return {
        number: (one.version, one.removed, one.facts, one.passages) for number, one in sorted(tickets.items())
    }


def change_everything(zendesk: SampleZendesk) -> set[int]:
    """Do to tickets what Zendesk allows; returns those whose events say that their comments changed."""
    control = zendesk.control
    open_ones = [
        line
        for line in control.truth()
        if not line["removed"] and line["ticket"]["status"] != "closed" and line["comments"]
    ]
    redacted, hidden, noted, gone, back, spam, target, source, long = open_ones[:9]
    control.add_comment(redacted["id"], f"My card is {SECRET}, public")
    comment = control.truth_of(redacted["id"])["comments"][-1]["id"]
    control.redact(redacted["id"], comment, SECRET)
    public = next(one for one in control.truth_of(hidden["id"])["comments"] if one["public"])
    control.make_private(hidden["id"], public["id"])
    control.add_comment(noted["id"], "Only for us.", public=False)
    control.delete(gone["id"])
    control.delete(back["id"])
    control.restore(back["id"])
    control.mark_as_spam(spam["id"])
    control.merge(target["id"], [source["id"]])
    for number in range(105):
        control.add_comment(long["id"], f"comment {number}", public=number % 2 == 0)
    control.create_ticket("New", "Just arrived.")
    time.sleep(1.02 - time.time() % 1)  # the export shows whole seconds only
    return {redacted["id"], hidden["id"]}


async def test_both_ways_give_the_same_tickets_after_every_kind_of_change(
    zendesk: SampleZendesk, client: ZendeskClient
) -> None:
    changed = change_everything(zendesk)
    single = told(await Pass(zendesk, client, "single").run())
    zendesk.control.reset_stats()
    bulk = Pass(zendesk, client, "bulk")
    assert told(await bulk.run()) == single
    assert len(single) == TICKETS + 1
    stats = zendesk.control.stats()
    assert stats["comments"]["tickets"] == len(changed), "only what can be doubted is asked for"
    assert any(len(passages) > 100 for _, _, _, passages in single.values())
    passages = [passage for _, _, _, passages in single.values() for passage in passages]
    assert SECRET not in str(passages)
    assert "Only for us." in {one.text for one in passages if one.visibility == "internal"}
    assert not bulk.tables["comments"].entries, "nothing is held any more"


async def test_an_account_costs_a_call_for_a_thousand_events(
    zendesk: SampleZendesk, client: ZendeskClient
) -> None:
    zendesk.control.reset_stats()
    bulk = Pass(zendesk, client, "bulk")
    await bulk.run()
    truth = [line for line in zendesk.control.truth() if not line["gone"]]
    events = sum(len(line["comments"]) for line in truth)
    endpoints = zendesk.control.stats()["endpoints"]
    # Names are asked for only of agents who answer and are not the ticket's assignee.
    assert endpoints.keys() == {
        "GET incremental/tickets/cursor",
        "GET incremental/ticket_events",
        "GET users/show_many",
        "GET tickets/{id}/audits",
    }
    # Events tell of a merge that left a comment; of another only the audits do.
    merged = [line["comments"][-1]["via"]["source"]["rel"] for line in truth if line["merged_into"]]
    assert endpoints["GET tickets/{id}/audits"] == merged.count(None)
    assert endpoints["GET incremental/tickets/cursor"] == 1
    assert endpoints["GET incremental/ticket_events"] == -(-bulk.record.events // 1000)
    assert events <= bulk.record.events < events + 50


async def test_a_thousand_tickets_take_a_dozen_calls() -> None:
    options = Options(tickets=1_000, seed=1, limits=False, export_delay=0)
    with SampleZendesk(options) as zendesk:
        async with connect(zendesk) as client:
            bulk = Pass(zendesk, client, "bulk")
            await bulk.runner.run(bulk.record, bulk.save, lambda: [bulk.record])
            messages = [
                Incoming(one.topic, one.partition, offset, one.key, one.value, one.headers)
                for offset, one in enumerate(bulk.producer.on(BACKFILL))
            ]
            tickets = [one for one in messages if is_named(TicketChange, one.headers)]
            for one in messages:
                if is_named(CommentEvents, one.headers):
                    for mark in (await bulk.enrich.handle(one)).marks:
                        await bulk.tables[mark.table].put(one.partition, [(mark.key, mark.entry)])
            places = asyncio.Semaphore(50)  # as many as a worker has in flight

            async def enrich(message: Incoming) -> None:
                async with places:
                    assert (await bulk.enrich.handle(message)).verdict == "sent"

            await asyncio.gather(*map(enrich, tickets))
        stats = zendesk.control.stats()
        # Not those for merges that left no comment, of which there are more here than in real accounts.
        calls = stats["calls"] - stats["endpoints"].get("GET tickets/{id}/audits", 0)
        print(f"{len(tickets):,} tickets with {bulk.record.events:,} events took {calls} Zendesk calls")
        assert calls <= 12


async def test_after_a_crash_it_goes_on_where_it_was(zendesk: SampleZendesk, client: ZendeskClient) -> None:
    expected = told(await Pass(zendesk, client, "single").run())
    bulk = Pass(zendesk, client, "bulk")

    class Crash(BaseException):
        pass

    saves = 0

    async def save() -> None:
        nonlocal saves
        saves += 1
        if saves == 3:  # the way, a page of events, another one
            raise Crash

    with pytest.raises(Crash):
        await bulk.runner.run(bulk.record, save, lambda: [bulk.record])
    assert (bulk.record.cursor, bulk.record.events_from > 0) == ("", True)
    zendesk.control.reset_stats()
    assert told(await bulk.run()) == expected
    assert zendesk.control.stats()["comments"]["calls"] == 0


async def test_a_page_that_came_twice_or_not_at_all_changes_nothing(
    zendesk: SampleZendesk, client: ZendeskClient
) -> None:
    expected = told(await Pass(zendesk, client, "single").run())
    bulk = Pass(zendesk, client, "bulk")
    await bulk.runner.run(bulk.record, bulk.save, lambda: [bulk.record])
    sent = bulk.producer.sent
    events = [one for one in sent if is_named(CommentEvents, one.headers)]
    lost = next(one for one in events if len(decode(CommentEvents, one.value, one.headers).comments) == 1)
    sent.insert(sent.index(events[5]) + 1, events[5])
    sent.remove(lost)
    assert told(await bulk.enriched()) == expected


async def test_what_is_held_for_another_import_is_not_used(
    zendesk: SampleZendesk, client: ZendeskClient
) -> None:
    bulk = Pass(zendesk, client, "bulk")
    await bulk.runner.run(bulk.record, bulk.save, lambda: [bulk.record])
    events = [one for one in bulk.producer.sent if is_named(CommentEvents, one.headers)]
    for sent in events:
        message = Incoming(sent.topic, sent.partition, 0, sent.key, sent.value, sent.headers)
        for mark in (await bulk.enrich.handle(message)).marks:
            await bulk.tables[mark.table].put(sent.partition, [(mark.key, mark.entry)])
    other = Pass(zendesk, client, "single")
    other.tables = bulk.tables
    other.enrich = Enrich(
        bulk.tables, TicketReader(client, People(client)), BACKLOG, a_part_store(bulk.tables), Positions()
    )
    other.record.id = "i2"
    zendesk.control.reset_stats()
    await other.run()
    kept = sum(not line["removed"] for line in zendesk.control.truth())
    assert zendesk.control.stats()["comments"]["tickets"] == kept


@pytest.mark.parametrize(
    ("general", "incremental", "way"),
    [(10, 10, "bulk"), (10_000, 10, "single"), (1_000_000, 1_000, "single")],
)
async def test_the_quotas_choose_the_way(
    zendesk: SampleZendesk, client: ZendeskClient, general: int, incremental: int, way: CommentsWay
) -> None:
    auto = Pass(
        zendesk, client, "auto", requests_per_minute=general, incremental_requests_per_minute=incremental
    )
    zendesk.control.reset_stats()
    await auto.run()
    assert auto.record.comments == way
    assert (zendesk.control.stats()["comments"]["calls"] > 0) == (way == "single")


async def test_an_account_that_is_known_already_is_not_read_in_bulk(
    zendesk: SampleZendesk, client: ZendeskClient
) -> None:
    slow = {"requests_per_minute": 10, "incremental_requests_per_minute": 10}
    first = Pass(zendesk, client, "auto", **slow)
    assert await first.run()
    first.record = ImportRecord(
        id="i2", account="acme", status="running", spec=ImportSpec(), started_at=1.0, updated_at=1.0
    )
    zendesk.control.reset_stats()
    assert await first.run() == {}
    assert first.record.comments == "single"
    assert zendesk.control.stats()["calls"] == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="rate_limit", path="ticket_events", retry_after=0.05, count=2),
        Fault(kind="truncated", path="ticket_events", count=1),
        Fault(kind="cut", path="ticket_events", count=1),
        Fault(kind="error", path="ticket_events", count=2),
    ],
    ids=lambda fault: fault.kind,
)
async def test_trouble_passes_and_no_event_is_missing(
    zendesk: SampleZendesk, client: ZendeskClient, fault: Fault
) -> None:
    expected = sum(len(line["comments"]) for line in zendesk.control.truth() if not line["gone"])
    zendesk.control.set_faults(fault)
    start, found, calls, pages = 0, set(), 0, 0
    while True:
        page = await events_page(client, start)
        found |= {comment.id for told in page.told.values() for comment in told.comments}
        start, calls, pages = page.next_start, calls + page.calls, pages + 1
        if page.ended:
            break
    assert len(found) == expected
    assert calls == pages + (fault.count or 0)


def test_a_ticket_and_its_held_comments_lie_in_one_partition() -> None:
    from schemas.tables import part_key, ticket_of

    key = ticket_key("acme", 12)
    assert ticket_of(part_key(key, 3)) == ticket_of(key) == key
    assert partition_of(ticket_of(part_key(key, 3)), 8) == partition_of(key, 8)
