"""What a message's headers say of it, read once: everybody on its way through a stage asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from schemas.codec import KINDS, PARTS, SCHEMA_HEADER
from schemas.headers.moves import MOVED_HEADER
from schemas.headers.replays import REPLAY_HEADER
from schemas.headers.retries import RETRY_HEADERS, Retry, retry_of
from schemas.headers.traces import TRACEPARENT, TRACESTATE, unsampled_of
from schemas.lanes import Lane, lane_of


class Envelope:
    """What a message's headers say; of two headers with one name the first counts.

    ``schema`` is what the header of that name says, None where there is none, and ``kind`` the type it names
    in a version that this release reads, else None. ``replay`` is the id of the replay a message belongs to,
    "" for none. ``retry_headers`` are those that tell of a retry. ``is_moved`` says that a message without a
    value stands in the place of a key that has moved.
    """

    __slots__ = ("_parent", "_state", "_topic", "is_moved", "kind", "replay", "retry_headers", "schema")

    def __init__(self, topic: str, headers: Sequence[tuple[str, bytes]]) -> None:
        schema = replay = parent = state = None
        retries: list[tuple[str, bytes]] | None = None
        is_moved = False
        for name, raw in headers:
            if name == SCHEMA_HEADER:
                schema = raw if schema is None else schema
            elif name == TRACEPARENT:
                parent = raw if parent is None else parent
            elif name == TRACESTATE:
                state = raw if state is None else state
            elif name == REPLAY_HEADER:
                replay = raw if replay is None else replay
            elif name in RETRY_HEADERS:
                # Kafka allows a header without a value: None.
                retries = [*(retries or ()), (name, raw or b"")]
            elif name == MOVED_HEADER:
                is_moved = True
        self._topic = topic
        self._parent, self._state = parent, state
        self.schema = schema
        self.kind: type[Any] | None = None if schema is None else KINDS.get(schema)
        self.replay = "" if replay is None else replay.decode("utf-8", "replace")
        self.retry_headers: Sequence[tuple[str, bytes]] = retries or ()
        self.is_moved = is_moved

    @property
    def is_part(self) -> bool:
        """Whether it is a part of a large ticket, or stands in the place of one that is gone."""
        return self.kind in PARTS

    @property
    def retry(self) -> Retry | None:
        """What tells of a retry; None for a message that is none."""
        return retry_of(self.retry_headers) if self.retry_headers else None

    @property
    def unsampled(self) -> list[tuple[str, bytes]]:
        """W3C's headers, ``traceparent`` first, if they name a trace that nobody keeps, else none."""
        return unsampled_of(self._parent, self._state) if self._parent else []

    def lane_of(self, source: str) -> Lane:
        """Return the lane of the message, whose value names its ticket's source (see schemas.lanes)."""
        return lane_of(self._topic, source, self.replay)
