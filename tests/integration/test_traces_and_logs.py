"""Traces and logs of two real workers: a ticket is found by its trace id from the source to Weaviate.

Every call of embed's chunker fails for tickets with BROKEN in their subject, by a fault that is put into
the workers: an error nobody foresaw that quotes a ticket's text.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from collector import Collector, Kept
from harness import Desk, until
from poison import unreadable
from receiver import SECRET, serving
from stacks import Stacks

from schemas.headers.traces import TRACEPARENT
from schemas.messages.dead_letters import DeadLetter
from schemas.settings.load import PREFIX, secrets_of
from schemas.topics import BACKFILL, EMBEDDED, ENRICHED, INDEXED
from streams.kafka.topic_reader import TopicReader
from ticketstream.local.sample.zendesk.faults import Fault
from ticketstream.local.sample.zendesk.webhooks import Hook

TICKETS = 40
SECONDS = 90.0
MARK = "walrus"
BROKEN = f"{MARK} in the chunker"
LOGIN = "hush-hush-login"
FAULT = f"""
from streams.transforms import chunking

whole = chunking.Chunker.add

def broken(chunker, passages):
    own = list(passages)
    if {BROKEN!r} in chunker._head:
        raise ValueError(f"cannot cut {{chunker._head}} and {{own}}")
    return whole(chunker, own)

chunking.Chunker.add = broken
"""
WAY = ["source", "enrich", "embed", "index"]


class Watched:
    """A desk with its collector."""

    def __init__(self, desk: Desk, collector: Collector) -> None:
        self.desk = desk
        self.collector = collector
        self.import_id = ""
        self.broken = self.refused = 0

    def create(self, subject: str) -> int:
        row = self.desk.zendesk.create_ticket(subject, f"a {MARK} writes")
        return int(row["id"])

    async def prepare(self) -> None:
        """Have two workers, a ticket that is refused, one that is broken, and an import."""
        desk = self.desk
        await until(self._both, SECONDS, "two workers with partitions")
        self.refused = max(each["id"] for each in desk.zendesk.truth()) + 1
        desk.zendesk.set_faults(
            Fault(kind="error", status=422, path=f"/tickets/{self.refused}/comments"),
            Fault(kind="error", status=503, path="/comments", count=1),
        )
        assert self.create(f"{MARK} that is refused") == self.refused
        self.broken = self.create(BROKEN)

        async def dead() -> bool:
            return len(await desk.dead_letters()) == 2

        await until(dead, SECONDS, "two dead letters of live changes")
        self.import_id = await desk.begin_import()
        record = await desk.import_state(self.import_id)
        assert (record.status, record.failed) == ("completed", 1)

    async def _both(self) -> bool:
        owned = {
            line["worker"]: set(line["partitions"])
            for line in self.lines()
            if line["event"] == "partitions assigned"
        }
        return (
            len(owned) == 2
            and all(owned.values())
            and sorted([*owned[0], *owned[1]]) == list(range(self.desk.partitions))
        )

    async def way_of(self, ticket: int, wanted: Callable[[Kept], bool]) -> dict[str, Kept]:
        """Return the spans of a ticket's trace, by name, once all stages' have come.

        ``wanted`` says of a span that it is the first of the trace that is meant.
        """
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

    def calls_for(self, span: Kept, name: str) -> list[Kept]:
        """Return the calls made for a span alone, and those it shared."""
        place = (span.trace_id, span.span_id)
        return [
            call
            for call in self.collector.spans
            if call.name == name and (call.parent_id == span.span_id or place in call.links)
        ]

    def lines(self) -> list[dict[str, Any]]:
        """The workers' log; every line of it is a JSON document."""
        return [json.loads(line) for line in self.desk.log().splitlines()]

    def lines_of(self, ticket: int, trace_id: str = "") -> list[dict[str, Any]]:
        lines = [line for line in self.lines() if line.get("ticket") == ticket]
        return [line for line in lines if line["trace_id"] == (trace_id or line["trace_id"])]


@pytest.fixture(scope="module")
def watched(stacks: Stacks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Two workers with an imported account; the last test takes the collector away."""
    folder = tmp_path_factory.mktemp("traces")
    (folder / "sitecustomize.py").write_text(FAULT)
    collector = Collector()
    try:
        with stacks.desk(TICKETS) as desk:
            desk.environment |= {
                f"{PREFIX}TRACING__OTLP_ENDPOINT": f"http://person:{LOGIN}@127.0.0.1:{collector.port}",
                "OTEL_BSP_SCHEDULE_DELAY": "200",
                "OTEL_EXPORTER_OTLP_TIMEOUT": "2",
            }
            for _ in range(2):
                desk.worker_with({"PYTHONPATH": str(folder)}, whole=True)
            made = Watched(desk, collector)
            asyncio.run(made.prepare())
            yield made
    finally:
        collector.stop()


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


CALLS = [("source import", "source"), ("embedding call", "embed"), ("weaviate write", "index")]


async def test_an_imported_ticket_has_one_trace_across_two_workers(watched: Watched) -> None:
    way: dict[str, Kept] = {}

    async def found() -> bool:
        for first in watched.collector.spans:
            if first.name != "source" or first.attributes.get("ticketstream.import_id") != watched.import_id:
                continue
            own = {span.name: span for span in watched.trace(first.trace_id)}
            if {*WAY, "zendesk comments"} <= own.keys() and own["index"].instance != first.instance:
                way.update(own)
                return all(watched.calls_for(own[of], name) for name, of in CALLS)
        return False

    await until(found, SECONDS, "the trace of a ticket that was fed by the other worker")
    assert_connected(way)
    assert [way[name].attributes["ticketstream.import_id"] for name in WAY] == [watched.import_id] * 4
    assert len({way[name].instance for name in WAY[1:]}) == 1
    assert way["zendesk comments"].parent_id == way["enrich"].span_id
    for name, of in CALLS:
        call = watched.calls_for(way[of], name)[-1]
        assert (call.trace_id == way[of].trace_id) == (not call.links)
        assert not call.links or (call.trace_id, call.span_id) in way[of].links
    # Of forty tickets many share their calls.
    assert {call.name for call in watched.collector.spans if len(call.links) > 1} >= dict(CALLS).keys()
    assert MARK.encode() not in watched.collector.everything()


async def test_a_live_change_has_one_trace_to_its_receipt(watched: Watched) -> None:
    desk = watched.desk
    desk.zendesk.clear_faults()
    ticket = watched.create(f"a new {MARK}")
    way = await watched.way_of(ticket, lambda span: True)
    assert_connected(way)
    assert way["source"].attributes["ticketstream.source"] == "poll"
    # A call for it alone is part of the trace; one that it happens to share is linked.

    async def called() -> bool:
        return all(watched.calls_for(way[of], name) for name, of in CALLS[1:])

    await until(called, SECONDS, "the calls made for a live change")
    key = f"{desk.account}:{ticket}".encode()
    await desk.received(lambda receipts: any(receipt.ticket_id == ticket for receipt in receipts))
    async with TopicReader(desk.settings.cluster, [ENRICHED, EMBEDDED, INDEXED]) as reader:
        told = {
            raw.topic: dict(raw.headers)[TRACEPARENT].decode()
            async for raw in reader.to_end()
            if raw.key == key
        }
    for topic, name in ((ENRICHED, "enrich"), (EMBEDDED, "embed"), (INDEXED, "index")):
        assert told[topic].split("-")[1:3] == [way[name].trace_id, way[name].span_id]


async def test_a_webhook_begins_a_trace(watched: Watched) -> None:
    desk = watched.desk
    ticket = next(
        each["id"]
        for each in desk.zendesk.truth()
        if each["ticket"]["status"] == "open" and not each["removed"] and each["id"] < watched.refused
    )

    def of_webhooks() -> list[Kept]:
        spans = [span for span in watched.collector.spans if span.name == "source"]
        return [span for span in spans if span.attributes["ticketstream.source"] == "webhook"]

    async def looked() -> bool:
        return any(span.name == "enrich" for first in of_webhooks() for span in watched.trace(first.trace_id))

    with serving(desk) as server:
        desk.zendesk.add_webhook(Hook(url=server.hook_url, secret=SECRET))
        desk.zendesk.add_comment(ticket, f"said the {MARK}")
        await until(looked, SECONDS, "a webhook's trace")
        desk.zendesk.clear_webhooks()
        assert {(span.ticket, span.part) for span in of_webhooks()} == {(ticket, "serve")}
        assert MARK not in server.log()


async def test_a_dead_letter_its_log_lines_and_its_retry_are_found_by_the_trace(watched: Watched) -> None:
    desk = watched.desk
    letters = {(letter.stage, letter.import_id): letter for letter in await desk.dead_letters()}
    own = ("enrich", watched.import_id)
    assert letters.keys() == {("enrich", ""), ("embed", ""), own}
    for (stage, import_id), letter in letters.items():
        trace_id, span_id = trace_of(letter)
        (failed,) = (span for span in watched.trace(trace_id) if span.span_id == span_id)
        assert (failed.name, failed.error) == (stage, letter.error_type)
        assert failed.ticket == (watched.refused if stage == "enrich" else watched.broken)
        line = watched.lines_of(failed.ticket, trace_id)[-1]
        told = {"event": "dead letter", "level": "warning", "dead_letter": letter.id, "stage": stage}
        told |= {"account": desk.account, "topic": letter.topic}
        assert told.items() <= line.items()
        assert (line["partition"], line["offset"]) == (letter.partition, letter.offset)
        assert line.get("import_id", "") == import_id
    assert desk.command("dead-letters", "retry", letters[own].id).returncode == 0
    trace_id, span_id = trace_of(letters[own])

    def retried() -> set[str]:
        spans = watched.collector.spans
        return {span.trace_id for span in spans if (trace_id, span_id) in span.links and span.ticket}

    async def again() -> bool:
        if any(span.name == "index" and span.trace_id in retried() for span in watched.collector.spans):
            return True
        # The export repeats rows: where it brought this one once more, the retry finds it done.
        done = [each for each in await desk.receipts() if each.ticket_id == watched.refused]
        return bool(retried()) and any(each.outcome == "indexed" and not each.import_id for each in done)

    try:
        await until(again, SECONDS, "the retry in the index")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{await desk.unacknowledged()}\n{desk.log()[-4000:]}") from None
    assert len(retried()) == 1
    assert trace_id not in retried()


def trace_of(letter: DeadLetter) -> tuple[str, str]:
    """Return trace and span of a letter's original."""
    _, trace_id, span_id, _ = base64.b64decode(dict(letter.headers)[TRACEPARENT]).decode().split("-")
    return trace_id, span_id


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
        texts |= set(each["people"].values())
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
    assert [worker.terminate() for worker in desk.workers] == [0, 0]
    assert sorted(told()) == [0, 1]
    assert LOGIN not in desk.log()
