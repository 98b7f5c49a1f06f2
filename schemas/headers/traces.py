"""The Kafka headers by which a message tells of its trace: W3C's, and that of a trace before it.

A message that goes through the pipeline once more (a dead letter tried again, a replay) begins a trace
of its own; the header ``former-traceparent`` names the one it had.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

Headers = Iterable[tuple[str, bytes]]

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
FORMER: Final = "former-traceparent"
_ALL: Final = frozenset((TRACEPARENT, TRACESTATE, FORMER))


_UNSAMPLED: Final = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f][02468ace]")
"""The last bit says whether the trace is kept (W3C Trace Context, trace-flags)."""


def unsampled_of(parent: bytes, state: bytes | None) -> list[tuple[str, bytes]]:
    """Return the headers of a trace, ``traceparent`` first, if nobody keeps it, else none.

    No span is made for it; the headers are carried on as they are.
    """
    if not _UNSAMPLED.fullmatch(parent):
        return []
    return [(TRACEPARENT, parent)] + ([(TRACESTATE, state)] if state else [])


def without_trace(headers: Headers) -> list[tuple[str, bytes]]:
    """Return the headers without those of traces."""
    return [each for each in headers if each[0] not in _ALL]


def as_former(headers: Headers) -> list[tuple[str, bytes]]:
    """Return the headers with which a message is sent once more: its trace is a former one now."""
    held = list(headers)
    # Kafka allows a header without a value, and aiokafka hands it on as None.
    told = {name: value for name, value in held if name in _ALL and value}
    former = told.get(TRACEPARENT) or told.get(FORMER)
    return without_trace(held) + ([(FORMER, former)] if former else [])
