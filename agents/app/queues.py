"""The queue of an agent, which is never full."""

from __future__ import annotations

from typing import Any

from mode.utils.queues import ThrowableQueue

BUFFERED_EVENTS = 256


class NeverFull(ThrowableQueue[Any]):
    """A stream's buffer that asks for a pause in good time, and takes in what still comes.

    Faust's own queue, once full, blocks the one task that hands messages to all streams. That would be a
    deadlock: a backfill at enrich that waits for embed and index would keep their messages from them. Here a
    full buffer only stops its own partitions from being fetched, so it exceeds its size by one fetch at most.
    """

    pressure_high_size = BUFFERED_EVENTS
    pressure_drop_size = BUFFERED_EVENTS // 4
