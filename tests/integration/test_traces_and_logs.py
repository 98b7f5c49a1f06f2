"""Traces and logs of two real workers: a ticket is found by its trace id from the source to Weaviate.

Every call of embed's chunker fails for tickets with BROKEN in their subject, by a fault that is put into
the workers: an error nobody foresaw that quotes a ticket's text.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from collector import Collector, Kept
from harness import Desk, until
from poison import unreadable
from receiver import serving

from schemas.messages import DeadLetter
from schemas.settings import PREFIX, secrets_of
from schemas.topics import BACKFILL, DEAD_LETTERS, EMBEDDED, ENRICHED, INDEXED
from schemas.traces import TRACEPARENT
from ticketstream.records.reader import TopicReader
from ticketstream.sample.zendesk.faults import Fault
from ticketstream.sample.zendesk.webhooks import Hook
from ticketstream.stack.options import StackOptions

TICKETS = 40
SECONDS = 90.0
MARK = "walrus"
BROKEN = f"{MARK} in the chunker"
LOGIN = "hush-hush-login"
FAULT = f"""
from streams.transforms import chunking

whole = chunking.chunk_ticket

def broken(subject, passages):
    if {BROKEN!r} in (subject or ""):
        raise ValueError(f"cannot cut {{subject}} and {{passages}}")
    return whole(subject, passages)

chunking.chunk_ticket = broken
"""
WAY = ["source", "enrich", "embed", "index"]


class Watched:
    """A desk with its collector, and the tickets that have been prepared."""

    def __init__(self, desk: Desk, collector: Collector) -> None:
        self.desk = desk
        self.collector = collector
        self.broken = self.create(BROKEN)
        self.refused = self.create(f"{MARK} that is refused")
        self.desk.zendesk.set_faults(
            Fault(kind="error", status=422, path=f"/tickets/{self.refused}/comments"),
            Fault(kind="error", status=503, path="/comments", count=3),
            Fault(kind="html", path="/comments", count=2),
        )
        self.import_id = ""

    def create(self, subject: str) -> int:
        row = self.desk.zendesk.create_ticket(subject, f"a {MARK} writes")
        return int(row["id"])

    async def way_of(self, ticket: int, wanted: Callable[[Kept], bool]) -> dict[str, Kept]:
        """Return the four spans of a ticket's trace whose first span is wanted, once they have come."""
        found: dict[str, Kept] = {}

        async def there() -> bool:
            for first in self.collector.spans:
                if first.name == "source" and first.ticket == ticket and wanted(first):
                    own = {span.name: span for span in self.trace(first.trace_id)}
                    if set(WAY) <= own.keys():
                        found.update(own)
                        return True
            return False

        await until(there, SECONDS, f"the trace of ticket {ticket}")
        return found

    def trace(self, trace_id: str) -> list[Kept]:
        return [span for span in self.collector.spans if span.trace_id == trace_id]

    def lines(self) -> list[dict[str, Any]]:
        """The workers' log; every line of it is a JSON document."""
        return [json.loads(line) for line in self.desk.log().splitlines()]

    def lines_of(self, ticket: int) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line.get("ticket") == ticket]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Two workers with an imported account; the last test takes the collector away."""
    folder = tmp_path_factory.mktemp("traces")
    (folder / "sitecustomize.py").write_text(FAULT)
    collector = Collector()
    desk = Desk(folder / "data", StackOptions(sample=True, tickets=TICKETS, sample_no_limits=True))
    try:
        desk.start()
        desk.environment |= {
            f"{PREFIX}TRACING__OTLP_ENDPOINT": f"http://person:{LOGIN}@127.0.0.1:{collector.port}",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }
        made = Watched(desk, collector)
        for _ in range(2):
            desk.worker_with({"PYTHONPATH": str(folder)})
        asyncio.run(_imported(made))
        yield made
    finally:
        desk.stop()
        collector.stop()


async def _imported(watched: Watched) -> None:
    desk = watched.desk

    async def both() -> bool:
        return watched.desk.log().count('"partitions assigned"') >= 2 and await desk.members() == 2

    await until(both, SECONDS, "two workers")
    watched.import_id = await desk.begin_import()
    record = await desk.import_state(watched.import_id)
    assert (record.status, record.failed) == ("completed", 2)


def assert_connected(way: dict[str, Kept]) -> None:
    assert [way[name].parent_id for name in WAY] == ["", *(way[name].span_id for name in WAY[:-1])]
    for name in WAY[1:]:
        told = way[name].attributes
        assert told["ticketstream.ticket_id"] == way["source"].ticket
        assert told["ticketstream.version"] == way["source"].attributes.get(
            "ticketstream.version", told["ticketstream.version"]
        )
        assert told["ticketstream.account"] == way["source"].attributes["ticketstream.account"]
        assert told["messaging.kafka.offset"] >= 0


async def test_an_imported_ticket_has_one_trace_across_two_workers(watched: Watched) -> None:
    spans = watched.collector.spans
    sources = [span for span in spans if span.attributes.get("ticketstream.import_id") == watched.import_id]
    fed_by = {span.instance for span in sources if span.name == "source"}
    assert len(fed_by) == 1
    elsewhere = [span for span in sources if span.name == "enrich" and span.instance not in fed_by]
    ticket = next(span.ticket for span in elsewhere if span.ticket not in (watched.broken, watched.refused))
    way = await watched.way_of(
        ticket, lambda span: span.attributes.get("ticketstream.import_id") == watched.import_id
    )
    assert_connected(way)
    assert [way[name].attributes.get("ticketstream.import_id") for name in WAY] == [watched.import_id] * 4
    assert len({way[name].instance for name in WAY}) == 2
    assert way["zendesk comments"].parent_id == way["enrich"].span_id
    # The calls for many: linked to the ticket's spans, and these to them.
    calls = {span.name: span for span in watched.collector.spans if way_links(span, way)}
    assert calls.keys() == {"source import", "embedding call", "weaviate write"}
    for name, of in (("source import", "source"), ("embedding call", "embed"), ("weaviate write", "index")):
        assert (calls[name].trace_id, calls[name].span_id) in way[of].links
    assert MARK.encode() not in watched.collector.everything()


def way_links(call: Kept, way: dict[str, Kept]) -> bool:
    return any((way[name].trace_id, way[name].span_id) in call.links for name in WAY)


async def test_a_live_change_has_one_trace_to_its_receipt(watched: Watched) -> None:
    desk = watched.desk
    desk.zendesk.clear_faults()
    ticket = watched.create(f"a new {MARK}")
    way = await watched.way_of(ticket, lambda span: True)
    assert_connected(way)
    assert way["source"].attributes["ticketstream.source"] == "poll"
    # A single one is part of the trace.
    assert way["weaviate write"].parent_id == way["index"].span_id
    assert way["embedding call"].parent_id == way["embed"].span_id
    key = f"{desk.account}:{ticket}".encode()
    async with TopicReader(desk.settings.bootstrap_servers, [ENRICHED, EMBEDDED, INDEXED]) as reader:
        told = {
            raw.topic: dict(raw.headers)[TRACEPARENT].decode()
            async for raw in reader.to_end()
            if raw.key == key
        }
    for topic, name in ((ENRICHED, "enrich"), (EMBEDDED, "embed"), (INDEXED, "index")):
        assert told[topic].split("-")[1:3] == [way[name].trace_id, way[name].span_id]


async def test_a_webhook_begins_a_trace(watched: Watched) -> None:
    desk = watched.desk
    ticket = next(each["id"] for each in desk.zendesk.truth() if each["ticket"]["status"] == "open")
    with serving(desk) as server:
        from receiver import SECRET

        desk.zendesk.add_webhook(Hook(url=server.hook_url, secret=SECRET))
        desk.zendesk.add_comment(ticket, f"said the {MARK}")

        def told(span: Kept) -> bool:
            return span.attributes["ticketstream.source"] == "webhook"

        async def there() -> bool:
            return any(span.name == "source" and told(span) for span in watched.collector.spans)

        await until(there, SECONDS, "a webhook's span")
        desk.zendesk.clear_webhooks()
        (source,) = (span for span in watched.collector.spans if span.name == "source" and told(span))
        assert (source.ticket, source.part) == (ticket, "serve")

        async def looked() -> bool:
            return any(span.name == "enrich" for span in watched.trace(source.trace_id))

        await until(looked, SECONDS, "the look at Zendesk")
        assert MARK not in server.log()


async def test_dead_letter_retry_and_log_lines_are_found_by_the_trace(watched: Watched) -> None:
    desk = watched.desk
    letters = {letter.stage: letter for letter in await desk.dead_letters()}
    assert letters.keys() == {"enrich", "embed"}
    for stage, ticket in (("enrich", watched.refused), ("embed", watched.broken)):
        (failed,) = (span for span in watched.collector.spans if span.error and span.name == stage)
        assert failed.ticket == ticket
        assert trace_of(letters[stage]) == [failed.trace_id, failed.span_id]
        lines = [line for line in watched.lines_of(ticket) if line["event"] != "handled"]
        assert {line["trace_id"] for line in lines} == {failed.trace_id}
        letter = lines[-1]
        assert (letter["event"], letter["level"]) == ("dead letter", "warning")
        assert letter["dead_letter"] == letters[stage].id
        assert (letter["account"], letter["stage"]) == (desk.account, stage)
        assert letter["import_id"] == watched.import_id
        assert (letter["topic"], letter["partition"], letter["offset"]) == (
            letters[stage].topic,
            letters[stage].partition,
            letters[stage].offset,
        )
    assert desk.command("dead-letters", "retry", letters["enrich"].id).returncode == 0
    former = trace_of(letters["enrich"])

    async def again() -> bool:
        return any(span.name == "index" and span.trace_id in linked() for span in watched.collector.spans)

    def linked() -> set[str]:
        return {
            span.trace_id for span in watched.collector.spans if tuple(former) in span.links and span.ticket
        }

    await until(again, SECONDS, "the retry in the index")
    (trace_id,) = linked()
    assert trace_id != former[0]


def trace_of(letter: DeadLetter) -> list[str]:
    """Return trace and span of a letter's original."""
    return base64.b64decode(dict(letter.headers)[TRACEPARENT]).decode().split("-")[1:3]


async def test_no_text_and_no_secret_is_in_any_log(watched: Watched) -> None:
    desk = watched.desk
    key = f"{desk.account}:{watched.broken}".encode()
    before = len(await desk.dead_letters())
    records = [record for record, _ in unreadable(ENRICHED, desk.partition(key), key)]
    text = json.dumps({"account": desk.account, "ticket_id": 1, "source": MARK}).encode()
    records += [record._replace(value=text) for record in records[:1]]
    await desk.send(*records, *(record._replace(topic=BACKFILL) for record in records))

    async def all_dead() -> bool:
        return len(await desk.dead_letters()) == before + 2 * len(records)

    await until(all_dead, SECONDS, "every poison a dead letter")
    lines = watched.lines()
    assert {line["level"] for line in lines} == {"info", "warning", "error"}
    assert {line["worker"] for line in lines} == {0, 1}
    unforeseen = [line for line in watched.lines_of(watched.broken) if line["event"] == "unforeseen error"]
    assert [line["error"] for line in unforeseen] == ["ValueError"] * 3
    assert "broken" in unforeseen[0]["traceback"]
    log = desk.log()
    assert "Traceback" not in log
    texts = {MARK}
    for each in desk.zendesk.truth():
        texts.add(each["ticket"]["subject"])
        texts |= {comment["plain_body"] for comment in each["comments"]}
        texts |= set(each["people"].values()) if isinstance(each["people"], dict) else set()
    assert [text for text in texts if text and len(text) > 5 and text in log] == []
    secrets = secrets_of(desk.settings)
    assert len(secrets) >= 2
    assert [secret for secret in [*secrets, LOGIN] if secret in log] == []


async def test_a_collector_that_is_away_is_told_once_and_stops_nothing(watched: Watched) -> None:
    watched.collector.stop()
    desk = watched.desk
    for each in desk.zendesk.truth():
        if not each["removed"] and each["ticket"]["status"] != "closed":
            desk.zendesk.set_status(each["id"], "pending")
    record = await desk.whole_import()
    assert record.status == "completed"

    def told() -> list[int]:
        return [line["worker"] for line in watched.lines() if line["event"] == "traces cannot be sent"]

    async def both() -> bool:
        return len(told()) == 2

    await until(both, SECONDS, "both workers say that the collector is away")
    desk.zendesk.add_comment(watched.refused, "once more")
    began = time.monotonic()
    assert [worker.terminate() for worker in desk.workers] == [0, 0]
    assert time.monotonic() - began < 25
    assert sorted(told()) == [0, 1]
    assert LOGIN not in desk.log()
    assert DEAD_LETTERS not in {line["event"] for line in watched.lines()}
