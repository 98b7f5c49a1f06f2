"""Small stand-ins for what a stage of the pipeline works with: events, a broker, tables."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import structlog
from hypothesis import HealthCheck, settings

from agents.knowledge.parts import PartStore
from schemas.codec import SCHEMAS, decode, encode, headers_of
from schemas.errors import UnavailableError
from schemas.ids import digest
from schemas.messages.tickets import (
    EmbeddedChunk,
    EmbeddedTicket,
    EnrichedTicket,
    Origin,
    Passage,
    TicketChange,
    TicketFacts,
)
from schemas.parts import Parts
from schemas.tables import TABLES
from schemas.topics import BACKFILL, CHANGES, EMBEDDED, ENRICHED
from schemas.vectors import encode_vector
from schemas.zendesk import Ticket
from streams.kafka.messages import Incoming, Record
from streams.kafka.part_reader import PartsMissingError
from streams.retries import RetryPolicy

QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""For hypothesis: few examples, and no complaint on a busy machine."""
AT_ONCE = RetryPolicy(factor=0)
"""Tries again without a pause."""


async def settle(turns: int = 30) -> None:
    """Let everything run that need not wait."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def until(condition: Callable[[], Any], seconds: float = 5.0) -> None:
    """Wait until something is so; fails when it takes too long."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.001)


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    """Keep the log entries; nothing is rendered."""
    with structlog.testing.capture_logs() as entries:
        yield entries


class FakeEvent:
    """A Faust event: a raw message, and whether it was acknowledged."""

    def __init__(
        self,
        offset: int = 0,
        *,
        key: bytes | None = b"acme:1",
        value: bytes | None = b"{}",
        headers: Any = (),
        topic: str = CHANGES,
        partition: int = 0,
        generation: int = 1,
        log: list[Any] | None = None,
    ) -> None:
        self.message = SimpleNamespace(
            topic=topic,
            partition=partition,
            offset=offset,
            key=key,
            value=value,
            headers=headers,
            generation_id=generation,
        )
        self.acked = 0
        self._log = log

    def ack(self) -> None:
        self.acked += 1
        if self._log is not None:
            self._log.append(("ack", self.message.offset))


class FakeProducer:
    """Keeps what is sent. The next ``failures`` calls fail; while ``gate`` is cleared, calls wait."""

    def __init__(self, log: list[Any] | None = None) -> None:
        self.sent: list[Record] = []
        self.heads: dict[tuple[str, int], int] = {}
        self.failures = 0
        self.calls = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self._log = log

    async def send(self, records: Iterable[Record]) -> dict[tuple[str, int], int]:
        records = list(records)
        self.calls += 1
        await self.gate.wait()
        if self.failures:
            self.failures -= 1
            raise UnavailableError("Kafka is away")
        last: dict[tuple[str, int], int] = {}
        for record in records:
            place = (record.topic, record.partition)
            self.sent.append(record)
            last[place] = self.heads.get(place, 0)
            self.heads[place] = last[place] + 1
        if self._log is not None and records:
            self._log.append(("sent", [record.value for record in records]))
        return last

    def on(self, topic: str) -> list[Record]:
        return [record for record in self.sent if record.topic == topic]

    def messages(self, kind: type[Any]) -> list[Any]:
        """Return the sent messages of a type, decoded."""
        name = SCHEMAS[kind].encode()
        return [
            decode(kind, record.value, record.headers)
            for record in self.sent
            if dict(record.headers).get("schema") == name
        ]


class FakeTable:
    """A table in memory; entries are copied through JSON, as the real ones are."""

    def __init__(self, name: str, kind: type[Any], log: list[Any] | None) -> None:
        self.entries: dict[tuple[int, bytes], bytes] = {}
        self.puts = 0
        self.failures = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self._name = name
        self._kind = kind
        self._log = log

    def get(self, partition: int, key: bytes) -> Any:
        raw = self.entries.get((partition, key))
        return None if raw is None else msgspec.json.decode(raw, type=self._kind)

    def items(self, partition: int) -> list[tuple[bytes, Any]]:
        return [(key, self.get(partition, key)) for place, key in self.entries if place == partition]

    def find(self, partition: int, wanted: Callable[[bytes, Any], bool], at_most: int) -> list[bytes]:
        return [key for key, entry in self.items(partition) if wanted(key, entry)][:at_most]

    def starting_with(self, partition: int, prefix: bytes) -> list[tuple[bytes, Any]]:
        return sorted(pair for pair in self.items(partition) if pair[0].startswith(prefix))

    async def put(self, partition: int, entries: Iterable[tuple[bytes, Any]]) -> None:
        entries = list(entries)
        self.puts += 1
        await self.gate.wait()
        if self.failures:
            self.failures -= 1
            raise UnavailableError("Kafka is away")
        for key, entry in entries:
            if entry is None:
                self.entries.pop((partition, key), None)
            else:
                self.entries[partition, key] = encode(entry)
        if self._log is not None:
            self._log.append(("table", self._name, [key for key, _ in entries]))


class FakeTables:
    """All tables, in memory."""

    def __init__(self, log: list[Any] | None = None) -> None:
        self._tables = {name: FakeTable(name, kind, log) for name, kind in TABLES.items()}

    def __getitem__(self, name: str) -> FakeTable:
        return self._tables[name]


class FakeParts:
    """Reads parts back from what a fake producer was given; those in ``lost`` are not there any more."""

    def __init__(self, producer: FakeProducer) -> None:
        self._producer = producer
        self.lost: set[str] = set()

    async def read(
        self, topic: str, partition: int, key: bytes, parts: Parts, start: int = 0
    ) -> AsyncGenerator[bytes, None]:
        values = {digest(one.value or b""): one.value for one in self._producer.on(topic)}
        for ref in parts.refs[start:]:
            value = None if ref.digest in self.lost else values.get(ref.digest)
            if value is None:
                raise PartsMissingError("lost")
            yield value


def a_part_store(tables: FakeTables, producer: FakeProducer | None = None) -> PartStore:
    producer = producer or FakeProducer()
    return PartStore(tables, producer, FakeParts(producer))  # type: ignore[arg-type]


FACTS = TicketFacts(
    subject="Printer on fire",
    status="open",
    priority="high",
    tags=["fire"],
    requester="Ann",
    assignee="Bob",
    organization="Acme",
    group="Support",
    created_at="2024-01-01T00:00:00Z",
    updated_at="2024-01-02T00:00:00Z",
)
ORIGIN = Origin(CHANGES, 0, 7)


def a_ticket(ticket_id: int = 1, **fields: Any) -> Ticket:
    return Ticket(
        **{
            "id": ticket_id,
            "created_at": "2024-01-01T00:00:00Z",
            "updated_at": "2024-01-02T00:00:00Z",
            "status": "open",
            "subject": "Printer on fire",
            "description": "It burns.",
            **fields,
        }
    )


def a_change(version: int = 5, ticket: Ticket | None = None, **fields: Any) -> TicketChange:
    ticket = ticket or a_ticket()
    return TicketChange(
        **{
            "account": "acme",
            "ticket_id": ticket.id,
            "version": version,
            "changed_at": 1000.0,
            "source": "live",
            "ticket": ticket,
            **fields,
        }
    )


def an_enriched(version: int = 5, passages: Sequence[Passage] = (), **fields: Any) -> EnrichedTicket:
    return EnrichedTicket(
        **{
            "account": "acme",
            "ticket_id": 1,
            "version": version,
            "changed_at": 1000.0,
            "enriched_at": 1001.0,
            "source": "live",
            "origin": ORIGIN,
            "facts": FACTS,
            "passages": list(passages),
            **fields,
        }
    )


def an_embedded(
    version: int = 5, public: Sequence[str] = (), internal: Sequence[str] = (), **fields: Any
) -> EmbeddedTicket:
    chunks = [
        EmbeddedChunk(
            visibility=visibility,  # type: ignore[arg-type]
            chunk_index=index,
            text=text,
            content_hash=f"hash of {text}",
            vector=encode_vector([1.0, 0.0, 0.0, float(index)]),
        )
        for visibility, texts in (("public", public), ("internal", internal))
        for index, text in enumerate(texts)
    ]
    return EmbeddedTicket(
        **{
            "account": "acme",
            "ticket_id": 1,
            "version": version,
            "changed_at": 1000.0,
            "embedded_at": 1002.0,
            "source": "live",
            "origin": ORIGIN,
            "collection": "Tickets_test_4_c1",
            "dimensions": 4,
            "facts": FACTS,
            "chunks": chunks,
            **fields,
        }
    )


_TOPICS = {TicketChange: CHANGES, EnrichedTicket: ENRICHED, EmbeddedTicket: EMBEDDED}


def a_message(message: Any, offset: int = 7, *, topic: str | None = None, partition: int = 0) -> Incoming:
    """Return a message of the pipeline as it lies on its topic."""
    if topic is None:
        topic = BACKFILL if getattr(message, "source", "") == "import" else _TOPICS[type(message)]
        if not isinstance(message, TicketChange):
            topic = _TOPICS[type(message)]
    key = f"{message.account}:{message.ticket_id}".encode()
    return Incoming(topic, partition, offset, key, encode(message), headers_of(message))
