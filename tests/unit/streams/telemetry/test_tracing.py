"""Spans along the way of a ticket: which trace they are of, what they are linked to, what they tell."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan

from agents.engine.engine import Engine
from agents.engine.handling import MessageContext
from agents.engine.outcomes import Outcome
from agents.imports.progress import ProgressLedger
from agents.knowledge.index.writer import BatchedWriter
from agents.testing import InMemoryEvent, InMemoryTables
from schemas.codec import decode, encode, headers_of
from schemas.errors import CredentialsError, RefusedError
from schemas.headers.retries import with_retry
from schemas.headers.traces import FORMER, TRACEPARENT, TRACESTATE, as_former, without_trace
from schemas.messages.dead_letters import DeadLetter
from schemas.testing import FACTS, a_change, a_ticket
from schemas.topics import BACKFILL, CHANGES, DEAD_LETTERS
from streams.embeddings.observe import EmbeddingCall
from streams.kafka.envelope import Envelope
from streams.kafka.messages import Incoming, Record
from streams.kafka.positions import Positions
from streams.metrics import Metrics
from streams.sinks.base import SinkItem
from streams.telemetry.call_spans import TracedCalls
from streams.telemetry.source_spans import source_spans
from streams.testing import AT_ONCE, InMemoryProducer, InMemorySink, until
from tests.shared_fixtures import QUICK, logs
from tests.trace_fixtures import KeptTracing

__all__ = ["logs"]
pytestmark = pytest.mark.usefixtures("logs")

MARK = "walrus"
HEADERS = st.lists(
    st.tuples(
        st.sampled_from([TRACEPARENT, FORMER, "tracestate", "schema"]), st.none() | st.binary(max_size=60)
    ),
    max_size=4,
)


def link_ids(span: ReadableSpan) -> set[int]:
    return {link.context.span_id for link in span.links}


def carried(headers: Any) -> tuple[int, int]:
    """Return the trace and the span that headers name."""
    _, trace_id, span_id, _ = dict(headers)[TRACEPARENT].decode().split("-")
    return int(trace_id, 16), int(span_id, 16)


def parent_id(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


# Headers.


def test_headers_carry_a_trace_on() -> None:
    tracing = KeptTracing()
    first = tracing.begin("source")
    headers = tracing.headers(first)
    assert [name for name, _ in headers] == [TRACEPARENT]
    second = tracing.begin("enrich", [("schema", b"x"), *headers])
    first.end()
    second.end()
    assert tracing.trace_id(first) == tracing.trace_id(second)
    assert parent_id(tracing.one("enrich")) == first.get_span_context().span_id


def test_a_message_that_comes_again_begins_a_trace_linked_to_the_former_one() -> None:
    tracing = KeptTracing(ratio=0)
    kept = KeptTracing()
    first = kept.begin("source")
    again = with_retry([("schema", b"x"), *kept.headers(first)], "letter")
    assert dict(again)[FORMER] == dict(kept.headers(first))[TRACEPARENT]
    assert TRACEPARENT not in dict(again)
    assert as_former(again)[-1][0] == FORMER  # once more, with no trace meanwhile
    tracing.begin("enrich", again).end()
    span = tracing.one("enrich")  # kept, as its former trace was
    assert span.parent is None
    assert link_ids(span) == {first.get_span_context().span_id}
    assert tracing.trace_id(first) != format(span.context.trace_id, "032x")


@QUICK
@given(HEADERS)
def test_whatever_the_headers_say_there_is_a_span(headers: list[tuple[str, bytes]]) -> None:
    tracing = KeptTracing()
    tracing.begin("enrich", headers).end()
    assert len(tracing.spans) == 1
    assert all(name == "schema" for name, _ in without_trace(headers))
    assert TRACEPARENT not in dict(as_former(headers))


# Calls that serve many.


def test_a_call_for_one_is_part_of_its_trace() -> None:
    tracing = KeptTracing()
    span = tracing.begin("embed")
    tracing.called_for([span, None, span], "embedding call", 0.5, {"texts": 2})
    call = tracing.one("embedding call")
    assert parent_id(call) == span.get_span_context().span_id
    assert (call.end_time or 0) - (call.start_time or 0) == 500_000_000
    assert not call.links


def test_a_call_for_many_is_linked_with_each() -> None:
    tracing = KeptTracing(ratio=0)
    kept = KeptTracing()
    spans = [kept.begin("embed") for _ in range(200)]
    unseen = tracing.begin("embed")
    tracing.called_for([*spans, unseen], "embedding call", 0.5, {}, "rate_limited")
    call = tracing.one("embedding call")
    assert call.parent is None
    assert len(call.links) == 128
    assert call.status.description == "rate_limited"
    for span in spans:
        span.end()
    assert all(link_ids(span) == {call.context.span_id} for span in kept.spans)


def test_what_nobody_looks_at_makes_no_calls() -> None:
    tracing = KeptTracing(ratio=0)
    span = tracing.begin("embed")
    token = tracing.enter(span)
    assert tracing.caller_span() is None
    tracing.called("zendesk comments", 0.1, {})
    tracing.called_for([span], "embedding call", 0.1, {})
    tracing.leave(token)
    span.end()
    assert tracing.spans == []


def test_a_trace_that_nobody_keeps_travels_on_without_a_span(monkeypatch: pytest.MonkeyPatch) -> None:
    tracing = KeptTracing(ratio=0)
    told = [*tracing.headers(tracing.begin("source")), (TRACESTATE, b"vendor=1")]
    assert Envelope(CHANGES, told).unsampled == told
    monkeypatch.setattr(tracing, "begin", None)  # would be called for a span
    message = Incoming(CHANGES, 3, 7, b"acme:1", b"{}", [("schema", b"x"), *told])
    with MessageContext("enrich", message, tracing) as handling:
        done = Outcome("sent", records=[Record(BACKFILL, 3, b"acme:1", b"{}", [("schema", b"y")])])
        handling.ended(done)
        assert handling.fields()["trace_id"] == dict(told)[TRACEPARENT].split(b"-")[1].decode()
    (sent,) = done.records
    assert list(sent.headers) == [("schema", b"y"), *told]


@pytest.mark.parametrize("value", [b"", b"rubbish-00", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"])
def test_only_a_whole_header_says_that_nobody_keeps_the_trace(value: bytes) -> None:
    assert Envelope(CHANGES, [(TRACEPARENT, value)]).unsampled == []


# Sources.


def record(number: int, **fields: Any) -> Record:
    change = a_change(ticket=a_ticket(number, subject=MARK), **fields)
    return Record(CHANGES, 3, f"acme:{number}".encode(), encode(change), headers_of(change))


def test_every_ticket_of_a_page_begins_a_trace_of_its_own() -> None:
    tracing = KeptTracing()
    records = [record(1), record(2, import_id="i1")]
    began = time.time() - 1
    with source_spans(tracing, "import", began, records) as traced:
        assert tracing.named("source") == []
    assert [each.value for each in traced] == [each.value for each in records]
    first, second = tracing.named("source")
    assert first.context.trace_id != second.context.trace_id
    assert dict(second.attributes or {}) == {
        "messaging.system": "kafka",
        "messaging.destination.name": CHANGES,
        "messaging.destination.partition.id": "3",
        "ticketstream.account": "acme",
        "ticketstream.ticket_id": 2,
        "ticketstream.version": 5,
        "ticketstream.import_id": "i1",
        "ticketstream.source": "import",
    }
    assert abs((first.start_time or 0) / 1e9 - began) < 0.001
    page = tracing.one("source import")
    assert link_ids(page) == {first.context.span_id, second.context.span_id}
    for span, sent in zip((first, second), traced, strict=True):
        assert carried(sent.headers) == (span.context.trace_id, span.context.span_id)


def test_without_traces_records_go_as_they_are() -> None:
    records = [record(1)]
    with source_spans(None, "poll", 0.0, records) as traced:
        assert traced is records


# Stages.


class Stage:
    """An engine with a handler of the test's."""

    def __init__(self, tracing: KeptTracing | None, handler: Any) -> None:
        self.tracing = tracing
        self.producer = InMemoryProducer()
        tables = InMemoryTables([])
        self.log: list[Any] = []
        self.engine = Engine(
            "enrich",
            handler,
            app=SimpleNamespace(consumer_generation_id=1),
            producer=self.producer,  # type: ignore[arg-type]
            tables=tables,  # type: ignore[arg-type]
            ledger=ProgressLedger(self.producer, tables, 4),  # type: ignore[arg-type]
            metrics=Metrics().stage("enrich"),
            positions=Positions(),
            working=5,
            held=5,
            locks=defaultdict(asyncio.Lock),
            retry=AT_ONCE,
            tracing=tracing,
        )

    async def run(self, headers: Any, topic: str = CHANGES) -> Record:
        """Return what a message with these headers led to."""
        one = record(7, import_id="i1")
        event = InMemoryEvent(11, key=one.key, value=one.value, headers=headers, topic=topic, log=self.log)
        await self.engine.put(event)
        await until(lambda: self.log)
        await self.engine.let_go()
        return self.producer.sent[-1]


async def passes(message: Incoming) -> Outcome:
    return Outcome("sent", records=[Record("next", 0, message.key, b"{}", message.headers)])


async def test_a_stage_carries_the_trace_on_and_tells_no_text() -> None:
    tracing = KeptTracing()
    source = tracing.begin("source")
    sent = await Stage(tracing, passes).run([("schema", b"x"), *tracing.headers(source)])
    span = tracing.one("enrich")
    assert parent_id(span) == source.get_span_context().span_id
    assert list(dict(sent.headers)) == ["schema", TRACEPARENT]
    assert carried(sent.headers) == (span.context.trace_id, span.context.span_id)
    told = dict(span.attributes or {})
    assert (told["ticketstream.account"], told["ticketstream.ticket_id"]) == ("acme", 7)
    assert (told["ticketstream.version"], told["ticketstream.import_id"]) == (5, "i1")
    assert (told["messaging.destination.partition.id"], told["messaging.kafka.offset"]) == ("0", 11)
    assert told["ticketstream.verdict"] == "sent"
    assert MARK not in span.to_json()


async def test_a_message_without_a_trace_begins_one() -> None:
    tracing = KeptTracing()
    sent = await Stage(tracing, passes).run([("schema", b"x")])
    assert tracing.one("enrich").parent is None
    assert TRACEPARENT in dict(sent.headers)


async def test_without_traces_no_header_is_read_or_made() -> None:
    odd = [("schema", b"x"), (TRACEPARENT, b"\xff"), (FORMER, b"")]
    sent = await Stage(None, passes).run(odd)
    assert sent.headers == odd


async def test_a_dead_letter_and_its_retry_are_found_from_each_other() -> None:
    async def refuses(_: Incoming) -> Outcome:
        raise RefusedError(f"no {MARK}")

    tracing = KeptTracing()
    source = tracing.begin("source")
    sent = await Stage(tracing, refuses).run(tracing.headers(source))
    assert sent.topic == DEAD_LETTERS
    failed = tracing.one("enrich")
    assert failed.status.description == "RefusedError"
    assert MARK not in failed.to_json()
    letter = decode(DeadLetter, sent.value, sent.headers)
    original = [(name, base64.b64decode(value)) for name, value in letter.headers]
    assert carried(sent.headers) == carried(original) == (failed.context.trace_id, failed.context.span_id)
    assert failed.context.trace_id == source.get_span_context().trace_id
    again = await Stage(tracing, passes).run(with_retry(original, letter.id), BACKFILL)
    retried = tracing.named("enrich")[-1]
    assert retried.context.trace_id != failed.context.trace_id
    assert link_ids(retried) == {failed.context.span_id}
    assert FORMER not in dict(again.headers)


async def test_what_a_rebalance_takes_away_has_a_span_that_ends() -> None:
    started = asyncio.Event()

    async def waits(_: Incoming) -> Outcome:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError

    tracing = KeptTracing()
    stage = Stage(tracing, waits)
    await stage.engine.put(InMemoryEvent(11, log=stage.log))
    await started.wait()
    await stage.engine.let_go()
    assert dict(tracing.one("enrich").attributes or {})["ticketstream.verdict"] == "abandoned"


# Calls of a stage.


async def test_zendesk_s_calls_are_children_and_failures_say_why() -> None:
    tracing = KeptTracing()
    calls = TracedCalls(tracing)

    async def asks(message: Incoming) -> Outcome:
        calls.zendesk("comments", 503, 0.1)
        calls.zendesk("comments", 0, 0.1)
        calls.zendesk("comments", 200, 0.1)
        return await passes(message)

    calls.zendesk("export", 200, 0.1)  # for no ticket
    await Stage(tracing, asks).run([])
    stage = tracing.one("enrich")
    found = tracing.named("zendesk comments")
    assert {parent_id(span) for span in found} == {stage.context.span_id}
    assert [span.status.description for span in found] == ["503", "no answer", None]
    assert tracing.named("zendesk export") == []


async def write(tracing: KeptTracing, sink: InMemorySink) -> None:
    """Write two tickets, each in a span of its own."""
    calls = TracedCalls(tracing)

    async def opened(*_: Any) -> InMemorySink:
        return sink

    writer = BatchedWriter(opened, lambda *_: None, caller_span=calls.caller_span, wrote=calls.weaviate)

    async def one(number: int) -> None:
        span = tracing.begin("index")
        token = tracing.enter(span)
        item = SinkItem(account="acme", ticket_id=number, facts=FACTS)
        try:
            await writer.write("Tickets_x", 4, item, "backfill")
        finally:
            tracing.leave(token)
            span.end()

    try:
        await asyncio.gather(one(1), one(2))
    finally:
        await writer.close()


async def test_a_batch_of_weaviate_is_linked_with_the_tickets_in_it() -> None:
    tracing = KeptTracing()
    await write(tracing, InMemorySink(4))
    batch = tracing.one("weaviate write")
    assert batch.parent is None
    assert link_ids(batch) == {span.context.span_id for span in tracing.named("index")}
    assert {frozenset(link_ids(span)) for span in tracing.named("index")} == {
        frozenset({batch.context.span_id})
    }
    assert dict(batch.attributes or {})["ticketstream.tickets"] == 2
    tracing = KeptTracing()
    refuses = InMemorySink(4)
    refuses.errors = [CredentialsError("no")]
    with pytest.raises(CredentialsError):
        await write(tracing, refuses)
    assert tracing.one("weaviate write").status.description == "CredentialsError"


def test_an_embedding_call_is_told_with_its_askers() -> None:
    tracing = KeptTracing()
    span = tracing.begin("embed")
    call = EmbeddingCall("live", 3, 40, 0.1, 0.2, "rate_limited", [span, span, span])
    TracedCalls(tracing).embedding(call)
    made = tracing.one("embedding call")
    assert dict(made.attributes or {}) == {
        "ticketstream.texts": 3,
        "ticketstream.tokens": 40,
        "ticketstream.waited_seconds": 0.1,
        "error.type": "rate_limited",
    }
    TracedCalls(None).embedding(call)


# Off.


def test_without_a_collector_nothing_of_opentelemetry_is_loaded() -> None:
    code = """
import json, sys
import agents.worker.plan, ticketstream.http.server
from streams.telemetry.call_spans import tracing_of
from schemas.settings.load import load_settings
print(json.dumps([tracing_of(load_settings(), "worker"), "opentelemetry.sdk" in sys.modules]))
"""
    root = str(Path(__file__).parents[4])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment | {"PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [None, False]
