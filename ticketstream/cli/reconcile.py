"""``ticketstream reconcile``: account and index side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from ticketstream.terminal.output import JsonOption, note, print_error, print_json, table

if TYPE_CHECKING:
    from ticketstream.operations.reconcile.outcome import Outcome

_MOST_REFUSED = 5
_ROWS: Final = (
    ("missing", "missing in the index"),
    ("stale", "another state than the account's"),
    ("chunks", "chunks missing or left over"),
    ("deleted", "deleted or spam, but indexed"),
    ("unknown", "unknown to the account, but indexed"),
)


def register(app: typer.Typer) -> None:
    """Add the command ``reconcile``."""
    app.command()(reconcile)


def reconcile(
    fix: Annotated[
        bool, typer.Option("--fix", help="Send what differs through the pipeline once more, and wait.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="DATE",
            help="Only tickets changed since: 2026-01-31, 2026-01-31T12:00 (UTC), or a span such as 30d.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare every ticket of the account with the index, and say what differs.

    Reads the account's export (a call for 1,000 tickets, beside the workers' own) and the index without
    its texts. What differs is looked at again when the workers have finished what was on its way.
    """
    from datetime import UTC, datetime

    from schemas.settings.load import load_settings
    from ticketstream.cli.running import run_async
    from ticketstream.operations.imports.since import parse_since
    from ticketstream.operations.reconcile.outcome import fields
    from ticketstream.operations.reconcile.run import reconcile as compared
    from ticketstream.terminal.progress import step_report

    seconds = parse_since(since, datetime.now(UTC)) if since is not None else 0
    settings = load_settings()
    with step_report() as told:
        outcome = run_async(compared(settings, since=seconds, fix=fix, progress=told))
    if as_json:
        print_json(fields(outcome))
    else:
        show(outcome)
    _conclude(outcome, fix=fix)


def show(outcome: Outcome) -> None:
    """Print the figures of a comparison."""
    totals, drift = outcome.totals, outcome.drift
    rows: list[tuple[str, int, str]] = [
        ("in the account", totals.account, ""),
        ("deleted or spam", totals.removed, ""),
        ("indexed", totals.indexed, f"as {totals.objects:,} chunks"),
        ("without any text", totals.without_text, ""),
    ]
    if totals.unreadable:
        rows.append(("unreadable rows", totals.unreadable, ""))
    for name, words in _ROWS:
        number: int = getattr(drift, name)
        if name == "unknown" and outcome.since:
            continue  # nobody can tell
        rows.append((words, number, _examples(drift.examples.get(name, []), number)))
    if outcome.changing:
        rows.append(("changing just now", outcome.changing, ""))
    table(["", "tickets", ""], rows)


def _examples(ids: list[int], number: int) -> str:
    shown = ", ".join(f"#{one}" for one in ids)
    return f"{shown} …" if number > len(ids) else shown


def _conclude(outcome: Outcome, *, fix: bool) -> None:
    """Say how it stands; ends the command with 1 when account and index differ."""
    from ticketstream.operations.imports.steering import NO_WORKER
    from ticketstream.terminal.untrusted import one_line

    if outcome.fix is not None:
        note(f"{outcome.fix.sent:,} tickets sent through the pipeline, {outcome.fix.mended:,} of them mended")
        for ticket_id, why in list(outcome.fix.refused.items())[:_MOST_REFUSED]:
            note(f"warning: ticket {ticket_id} is left as it is: {one_line(why)}")
    if not outcome.workers:
        note(f"warning: {NO_WORKER}")
    if outcome.in_step:
        note("account and index are in step")
        return
    number = f"{outcome.left.tickets:,} tickets differ" if outcome.left.tickets > 1 else "1 ticket differs"
    if not fix:
        print_error(f"{number} between account and index: mend it with `ticketstream reconcile --fix`")
    elif outcome.fix is None:
        print_error(f"{number} between account and index, and nothing was mended: {NO_WORKER}")
    else:
        print_error(
            f"{number} between account and index even now: see `ticketstream dead-letters list` and the "
            "workers' logs"
        )
    raise typer.Exit(1)
