"""What a comparison of account and index found, as plain figures."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ticketstream.operations.reconcile.compare import SURPLUS, Findings, Kind, Totals

EXAMPLES: Final = 10
WORDS: Final = {
    Kind.MISSING: "missing",
    Kind.STALE: "stale",
    Kind.CHUNKS: "chunks",
    Kind.DELETED: "deleted",
    Kind.UNKNOWN: "unknown",
}
"""How the kinds of difference are called in figures."""


class Drift(msgspec.Struct, kw_only=True):
    """Tickets that differ, by kind, with the lowest ids as examples."""

    tickets: int
    missing: int
    stale: int
    chunks: int
    surplus: int
    deleted: int
    unknown: int
    examples: dict[str, list[int]]


class Mended(msgspec.Struct, kw_only=True):
    """What ``--fix`` has done: tickets sent through the pipeline, and how many of them differ no more.

    ``refused`` tells for each ticket that could not be sent why Zendesk did not give it.
    """

    sent: int
    mended: int
    refused: dict[str, str] = {}


class Outcome(msgspec.Struct, kw_only=True):
    """How account and index stand; ``drift`` is what was found, ``left`` what differs at the end.

    ``changing`` tickets have changed so lately that the pipeline may still be at work on them.
    """

    account: str
    since: int
    totals: Totals
    drift: Drift
    left: Drift
    changing: int
    workers: bool
    zendesk_calls: int = 0
    seconds: float = 0.0
    fix: Mended | None = None

    @property
    def in_step(self) -> bool:
        """Whether nothing differs, now."""
        return self.left.tickets == 0


def drift_of(found: Findings) -> Drift:
    """Return the figures of findings."""
    counts = {WORDS[kind]: found.count(kind) for kind in Kind}
    examples = {WORDS[kind]: found.examples(kind, EXAMPLES) for kind in Kind}
    return Drift(
        tickets=int(found.ids.size),
        surplus=found.count(*SURPLUS),
        examples={word: ids for word, ids in examples.items() if ids},
        **counts,
    )


def fields(outcome: Outcome) -> dict[str, Any]:
    """Return the outcome as one document of plain values."""
    totals = outcome.totals
    plain: dict[str, Any] = {
        "account": outcome.account,
        "in_step": outcome.in_step,
        "tickets": {
            "account": totals.account,
            "removed": totals.removed,
            "unreadable": totals.unreadable,
            "indexed": totals.indexed,
            "without_text": totals.without_text,
        },
        "objects": totals.objects,
        "drift": msgspec.to_builtins(outcome.drift),
        "left": msgspec.to_builtins(outcome.left),
        "changing": outcome.changing,
        "workers": outcome.workers,
        "fix": None if outcome.fix is None else msgspec.to_builtins(outcome.fix),
        "zendesk_calls": outcome.zendesk_calls,
        "seconds": round(outcome.seconds, 1),
    }
    return plain
