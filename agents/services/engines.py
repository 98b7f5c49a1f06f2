"""Makes the engines of a worker: each stage has its own handler and sizes, the rest they share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from agents.engine.engine import HELD_BYTES, Engine, Entry
from agents.engine.outcomes import Handler
from agents.engine.places import rest
from agents.engine.settling import Ledger, Locks
from agents.services.ground import Ground
from streams.kafka.messages import Incoming
from streams.limits.gate import Gate
from streams.retries import RetryPolicy

MAX_HELD_MESSAGES: Final = 400
"""So many messages a stage has between arrival and the end of their effects."""
MAX_AHEAD: Final = 5_000
"""So many messages may be done that are not acknowledged, because one before them in their partition is tried
again: a kilobyte or two each. After a crash they come once more, and cost a look into a table."""
RESTING: Final = RetryPolicy(sleep=rest)
"""Never gives up; between attempts a message gives up its place among those that are worked on."""


class Engines:
    """Makes engines; ``ledger`` counts what they release."""

    def __init__(self, ground: Ground, ledger: Ledger) -> None:
        self._ground = ground
        self.ledger = ledger

    def make(
        self,
        stage: str,
        handler: Handler,
        *,
        working: int | Gate = MAX_HELD_MESSAGES,
        held: int = MAX_HELD_MESSAGES,
        held_bytes: int = HELD_BYTES,
        ahead: int = 0,
        locks: Locks | None = None,
        may_overtake: Callable[[Incoming], bool] = lambda _: False,
        entry: Entry | None = None,
        ledger: Ledger | None = None,
    ) -> Engine:
        """Return the engine of a stage; see Engine for what the sizes mean. ``ledger`` is one of its own."""
        ground = self._ground
        return Engine(
            stage,
            handler,
            app=ground.app,
            producer=ground.producer,
            tables=ground.tables,
            ledger=self.ledger if ledger is None else ledger,
            metrics=ground.metrics.stage(stage),
            positions=ground.positions,
            working=working,
            held=held,
            held_bytes=held_bytes,
            ahead=ahead,
            locks=locks,
            may_overtake=may_overtake,
            entry=entry,
            retry=RESTING,
            tracing=ground.tracing,
        )
