"""The runbook as a dashboard, so that links lead somewhere wherever Grafana runs."""

from __future__ import annotations

from typing import Final

from grafana.source.parts import board, sections, words

BOARD: Final = board(
    "runbook",
    "Ticketstream: runbook",
    "docs/runbook.md, a panel for each section.",
    [("", [words(heading, body) for heading, body in sections().items()])],
)
