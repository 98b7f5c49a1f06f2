"""Which handler works on which kind of message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.engine.outcomes import Handler, Outcome
from schemas.messages.tickets import TicketChange
from schemas.topics import BACKFILL
from streams.kafka.messages import Incoming


class Dispatch:
    """Hands each message to the handler of its kind.

    ``handlers`` are those of both lanes, ``backfill`` those of kinds that only tickets.backfill carries. A
    message of any other kind goes to the handler of changes, whose error says what was expected.
    """

    def __init__(
        self, handlers: Mapping[type[Any], Handler], *, backfill: Mapping[type[Any], Handler]
    ) -> None:
        self._handlers = dict(handlers)
        self._backfill = self._handlers | dict(backfill)
        self._of_changes = handlers[TicketChange]

    async def handle(self, message: Incoming) -> Outcome:
        """Return what the handler returns; raises what it raises."""
        handlers = self._backfill if message.topic == BACKFILL else self._handlers
        kind = message.envelope.kind
        handler = self._of_changes if kind is None else handlers.get(kind, self._of_changes)
        return await handler(message)
