"""Messages for tests to work on. No product code may import this module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from schemas.messages.imports import ImportRecord, ImportSpec
from schemas.messages.tickets import (
    EmbeddedChunk,
    EmbeddedTicket,
    EnrichedTicket,
    Origin,
    Passage,
    TicketChange,
    TicketFacts,
)
from schemas.topics import CHANGES
from schemas.vectors import encode_vector
from schemas.zendesk import Ticket

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


def an_import(**fields: Any) -> ImportRecord:
    """Return the record of a running import of the account acme, begun and saved one second after 1970."""
    return ImportRecord(
        **{
            "id": "i1",
            "account": "acme",
            "status": "running",
            "spec": ImportSpec(),
            "started_at": 1.0,
            "updated_at": 1.0,
            **fields,
        }
    )
