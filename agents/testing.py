"""Stand-ins for tests of stages: tables and events in memory, a ticket's parts, and messages to work on.

They keep the promises of the parts they stand for, except what their docstrings say (see streams.testing). No
product code may import this module.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from types import SimpleNamespace
from typing import Any, TypeVar

import msgspec

from agents.app.tables import StateTable, Tables
from agents.knowledge.parts import PartStore
from schemas.codec import encode, headers_of
from schemas.errors import UnavailableError
from schemas.messages.tickets import (
    EmbeddedChunk,
    EmbeddedTicket,
    EnrichedTicket,
    Origin,
    Passage,
    TicketChange,
    TicketFacts,
)
from schemas.tables import TABLES
from schemas.topics import BACKFILL, CHANGES, EMBEDDED, ENRICHED
from schemas.vectors import encode_vector
from schemas.zendesk import Ticket
from streams.kafka.messages import Incoming
from streams.testing import InMemoryParts, InMemoryProducer

T = TypeVar("T", bound=msgspec.Struct)


class InMemoryEvent:
    """A Faust event: a raw message, and how often it was acknowledged.

    Unlike Faust's it acknowledges to nobody; ``log`` is told of it, in the order in which it and others are.
    """

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
        """Acknowledge the message."""
        self.acked += 1
        if self._log is not None:
            self._log.append(("ack", self.message.offset))


class InMemoryTable(StateTable[T]):
    """A table without Faust, RocksDB and changelog; entries are copied through JSON, as the real one's are.

    Unlike the real one it survives no process, knows no rebalance and has no size. The next ``failures`` puts
    raise UnavailableError; while ``gate`` is cleared, puts wait. ``puts`` counts them; ``log`` is told of
    each, in the order in which it and others are.
    """

    def __init__(self, name: str, kind: type[T], log: list[Any] | None = None) -> None:
        self.name = name
        self.entries: dict[tuple[int, bytes], bytes] = {}
        self.puts = 0
        self.failures = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self._kind = kind
        self._log = log

    def get(self, partition: int, key: bytes) -> T | None:
        """Return the entry, or None when there is none."""
        raw = self.entries.get((partition, key))
        return None if raw is None else msgspec.json.decode(raw, type=self._kind)

    def items(self, partition: int) -> list[tuple[bytes, T]]:
        """Return all entries of a partition."""
        return [
            (key, msgspec.json.decode(raw, type=self._kind))
            for (place, key), raw in self.entries.items()
            if place == partition
        ]

    def find(self, partition: int, wanted: Callable[[bytes, T], bool], at_most: int) -> list[bytes]:
        """Return the keys of up to so many entries of a partition that are wanted."""
        return [key for key, entry in self.items(partition) if wanted(key, entry)][:at_most]

    def starting_with(self, partition: int, prefix: bytes) -> list[tuple[bytes, T]]:
        """Return the entries of a partition whose keys begin like this, ordered by key."""
        pairs = [pair for pair in self.items(partition) if pair[0].startswith(prefix)]
        return sorted(pairs, key=lambda pair: pair[0])

    def size(self, partition: int) -> tuple[int, int]:
        """Return how many entries a partition has, and the bytes of their values."""
        values = [raw for (place, _), raw in self.entries.items() if place == partition]
        return len(values), sum(map(len, values))

    async def put(self, partition: int, entries: Iterable[tuple[bytes, T | None]]) -> None:
        """Write entries (None deletes). Raises UnavailableError while ``failures`` says so."""
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
            self._log.append(("table", self.name, [key for key, _ in entries]))


class InMemoryTables(Tables):
    """All tables of a worker, in memory."""

    def __init__(self, log: list[Any] | None = None) -> None:
        self._in_memory = {name: InMemoryTable[Any](name, kind, log) for name, kind in TABLES.items()}

    def __getitem__(self, name: str) -> InMemoryTable[Any]:
        return self._in_memory[name]


def a_part_store(tables: Tables, producer: InMemoryProducer | None = None) -> PartStore:
    """Return a store of parts that finds again what it has sent through the producer."""
    producer = producer or InMemoryProducer()
    return PartStore(tables, producer, InMemoryParts(producer))


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
    """Return an open ticket as Zendesk's export gives it; ``fields`` replace its own."""
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
    """Return a live change of a ticket of the account acme."""
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
    """Return ticket 1 of the account acme with these passages."""
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
    """Return ticket 1 of the account acme with a chunk for each text, their vectors of 4 numbers."""
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


_TOPICS: dict[type[Any], str] = {
    TicketChange: CHANGES,
    EnrichedTicket: ENRICHED,
    EmbeddedTicket: EMBEDDED,
}


def a_message(message: Any, offset: int = 7, *, topic: str | None = None, partition: int = 0) -> Incoming:
    """Return a message of the pipeline as it lies on its topic."""
    if topic is None:
        topic = BACKFILL if getattr(message, "source", "") == "import" else _TOPICS[type(message)]
        if not isinstance(message, TicketChange):
            topic = _TOPICS[type(message)]
    key = f"{message.account}:{message.ticket_id}".encode()
    return Incoming(topic, partition, offset, key, encode(message), headers_of(message))
