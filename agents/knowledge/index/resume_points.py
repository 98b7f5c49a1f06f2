"""How far Weaviate is: for each partition of a topic, the last offset whose effect is there.

Kafka's committed offset says the same, but half a second later and without a time. The table is for people to
read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from agents.app.tables import Tables
from agents.engine.outcomes import Mark, Outcome
from agents.engine.settling import Ledger
from schemas.tables import ResumePoint
from streams.kafka.messages import Incoming

TABLE: Final = "resume_points"


class ResumePoints:
    """The ledger of the stage index: what ``ledger`` counts, and the resume point of the topic.

    A message that comes again, after a crash or a take-over, does not lower it: its effect is still there.
    """

    def __init__(self, ledger: Ledger, tables: Tables, *, clock: Callable[[], float] = time.time) -> None:
        self._ledger = ledger
        self._table = tables[TABLE]
        self._clock = clock

    def count(self, stage: str, partition: int, released: Sequence[tuple[Incoming, Outcome]]) -> list[Mark]:
        """Count messages that are released, oldest first; returns the entries to write."""
        marks = self._ledger.count(stage, partition, released)
        through = {message.topic: message.offset for message, _ in released}
        for topic, offset in through.items():
            key = topic.encode()
            # Read each time and not kept: the engine asks again when a write has failed, and another worker
            # may have written since the partition was here before.
            known: ResumePoint | None = self._table.get(partition, key)
            if known is None or offset > known.offset:
                marks.append(Mark(TABLE, key, ResumePoint(offset, self._clock())))
        return marks
