"""What can be known of embedding calls from outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from schemas.lanes import Lane

CallOutcome = Literal["ok", "rate_limited", "unavailable", "refused", "failed"]


@dataclass(frozen=True, slots=True)
class EmbeddingCall:
    """One attempt: its size, the seconds it waited for the quotas, the seconds it took, how it ended.

    ``tokens`` is the estimate the quota was charged with. ``failed`` covers wrong vectors, refused
    credentials and calls that were cancelled. ``caller_spans`` is what the batcher's ``caller_span``
    gave for each text.
    """

    lane: Lane
    texts: int
    tokens: int
    waited: float
    seconds: float
    outcome: CallOutcome
    caller_spans: Sequence[Any] = ()


@dataclass(slots=True)
class EmbeddingCounters:
    """Sums over all attempts. ``texts`` and ``tokens`` are those of answered calls.

    ``retries`` are attempts after which the same texts are tried again.
    """

    calls: int = 0
    texts: int = 0
    tokens: int = 0
    retries: int = 0
    rate_limited: int = 0
    refused: int = 0
    wait_seconds: float = 0.0
    call_seconds: float = 0.0

    def count(self, call: EmbeddingCall) -> None:
        """Add an attempt."""
        self.calls += 1
        self.wait_seconds += call.waited
        self.call_seconds += call.seconds
        if call.outcome == "ok":
            self.texts += call.texts
            self.tokens += call.tokens
        self.retries += call.outcome in ("rate_limited", "unavailable")
        self.rate_limited += call.outcome == "rate_limited"
        self.refused += call.outcome == "refused"
