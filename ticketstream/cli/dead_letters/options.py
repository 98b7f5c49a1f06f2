"""The options that say which dead letters are meant."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ticketstream.operations.dead_letters.choice import Filters

Tickets = Annotated[
    list[str] | None,
    typer.Option("--ticket", metavar="NUMBER", help="Only letters of this ticket; may be repeated."),
]
Reasons = Annotated[
    list[str] | None,
    typer.Option(
        "--reason",
        metavar="REASON",
        help="Only letters of this reason, as `list` names it (embed/RefusedError), or of this stage or "
        "error alone; may be repeated.",
    ),
]
Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="DATE",
        help="Only what failed since: 2026-01-31, 2026-01-31T12:00 (UTC), or a span such as 12h.",
    ),
]
Until = Annotated[
    str | None, typer.Option("--until", metavar="DATE", help="Only what failed before; written as --since.")
]
Settled = Annotated[bool, typer.Option("--all", help="Also letters that were retried or discarded.")]


def filters_of(
    tickets: list[str] | None, reasons: list[str] | None, since: str | None, until: str | None
) -> Filters:
    """Return what the options ask for; raises UserError for what makes no sense."""
    from ticketstream.operations.dead_letters.choice import parse_filters

    return parse_filters(tickets or (), reasons or (), since, until, datetime.now(UTC))
