"""Each kind of message goes to its handler, and what has none to that of changes."""

from __future__ import annotations

from typing import Any

import pytest

from agents.engine.outcomes import Handler, Outcome
from agents.tickets.enrich.dispatch import Dispatch
from schemas.codec import IN_PARTS, SCHEMAS
from schemas.messages.tickets import EmbeddedTicket, EnrichedTicket, Receipt, TicketChange, TicketHint
from schemas.topics import BACKFILL, CHANGES
from streams.kafka.messages import Incoming


def named(name: str) -> Handler:
    async def handle(message: Incoming) -> Outcome:
        return Outcome("skipped", reason=name)

    return handle


DISPATCH = Dispatch(
    {TicketChange: named("change"), TicketHint: named("hint")}, backfill={EnrichedTicket: named("whole")}
)


@pytest.mark.parametrize(
    ("topic", "schema", "handler"),
    [
        (CHANGES, SCHEMAS[TicketChange], "change"),
        (BACKFILL, IN_PARTS[TicketChange], "change"),
        (CHANGES, SCHEMAS[TicketHint], "hint"),
        (BACKFILL, SCHEMAS[TicketHint], "hint"),
        (BACKFILL, SCHEMAS[EnrichedTicket], "whole"),
        (BACKFILL, IN_PARTS[EnrichedTicket], "whole"),
        (CHANGES, SCHEMAS[EnrichedTicket], "change"),  # which refuses it: a whole ticket waits its turn
        (BACKFILL, SCHEMAS[EmbeddedTicket], "change"),
        (CHANGES, SCHEMAS[Receipt], "change"),
        (CHANGES, "ticket-change/99", "change"),
        (CHANGES, None, "change"),
    ],
)
async def test_each_kind_has_its_handler(topic: str, schema: str | None, handler: str) -> None:
    headers: Any = [] if schema is None else [("schema", schema.encode())]
    done = await DISPATCH.handle(Incoming(topic, 0, 1, b"acme:1", b"{}", headers))
    assert done.reason == handler
