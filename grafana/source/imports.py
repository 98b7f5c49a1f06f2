"""Imports: how far the running ones are, and what the last comparison of account and index found."""

from __future__ import annotations

from typing import Final

from grafana.source.parts import ACCOUNT, BLUE, GREEN, RATE, RED, board, figure, plot
from schemas.stages import STAGE_NAMES

_DONE: Final = f"sum(ticketstream_imports_done_tickets{{{ACCOUNT}}})"
_EXPECTED: Final = f"sum(ticketstream_imports_expected_tickets{{{ACCOUNT}}})"

BOARD: Final = board(
    "imports",
    "Ticketstream: imports",
    "Imports and replays that run, together; `ticketstream imports list` names each. And drift.",
    [
        (
            "Imports and replays",
            [
                figure(
                    "Running",
                    "Imports and replays that run.",
                    "none",
                    f"sum(ticketstream_imports_running{{{ACCOUNT}}})",
                    base=BLUE,
                    runbook="TicketstreamImportStuck",
                    width=6,
                ),
                figure(
                    "Done",
                    "Part of the expected tickets whose fate is known; 1 when nothing runs.",
                    "percentunit",
                    f"{_DONE} / ({_EXPECTED} > 0) or vector(1)",
                    base=BLUE,
                    width=6,
                ),
                figure(
                    "Time left",
                    "At the rate of the last 5 minutes.",
                    "s",
                    f"({_EXPECTED} - {_DONE}) / sum(ticketstream:stage_done:rate5m"
                    f'{{{ACCOUNT}, stage="{STAGE_NAMES[-1]}"}})',
                    base=BLUE,
                    none="unknown",
                    width=6,
                ),
                figure(
                    "Failed in 24 hours",
                    "Imports that ended as failed; `ticketstream imports resume ID` goes on with one.",
                    "none",
                    f'sum(increase(ticketstream_imports_ended_total{{{ACCOUNT}, status="failed"}}[24h]))',
                    steps=((0.5, RED),),
                    runbook="TicketstreamImportStuck",
                    width=6,
                ),
                plot(
                    "Progress",
                    "Of the running imports together. Expected counts what a source has told of so far.",
                    "short",
                    (_DONE, "done"),
                    (f"sum(ticketstream_imports_fetched_tickets{{{ACCOUNT}}})", "read"),
                    (_EXPECTED, "expected"),
                    runbook="TicketstreamImportStuck",
                ),
                plot(
                    "Imports that ended",
                    "In the hour before, by how they ended.",
                    "none",
                    (
                        f"sum by (status) (increase(ticketstream_imports_ended_total{{{ACCOUNT}}}[1h]))",
                        "{{status}}",
                    ),
                ),
                plot(
                    "Backfill lane",
                    "Tickets that imports read, and what waits for enrich.",
                    "short",
                    (
                        f'sum(rate(ticketstream_source_sent_total{{{ACCOUNT}, source="import"}}[{RATE}]))',
                        "read a second",
                    ),
                    (f'sum(ticketstream_lag_messages{{{ACCOUNT}, topic="tickets.backfill"}})', "waiting"),
                    runbook="TicketstreamLagHigh",
                ),
            ],
        ),
        (
            "Account and index compared",
            [
                figure(
                    "Last comparison",
                    "Time since `ticketstream reconcile` compared all tickets; decades when it never has.",
                    "s",
                    f"time() - max(ticketstream_reconcile_timestamp_seconds{{{ACCOUNT}}})",
                    base=BLUE,
                    runbook="TicketstreamDrift",
                    width=6,
                ),
                figure(
                    "Drift",
                    "Tickets that differed at its end.",
                    "none",
                    f"sum(max by (account, kind) (ticketstream_reconcile_drift_tickets{{{ACCOUNT}}}))",
                    steps=((1, RED),),
                    base=GREEN,
                    runbook="TicketstreamDrift",
                    width=6,
                ),
                plot(
                    "Drift by kind",
                    "As the last whole comparison found.",
                    "none",
                    (
                        f"max by (kind) (ticketstream_reconcile_drift_tickets{{{ACCOUNT}}})",
                        "{{kind}}",
                    ),
                    (f"max by (side) (ticketstream_reconcile_tickets{{{ACCOUNT}}})", "tickets: {{side}}"),
                    runbook="TicketstreamDrift",
                ),
            ],
        ),
    ],
)
