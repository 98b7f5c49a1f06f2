"""``ticketstream import`` and ``ticketstream imports``: backfills and their records."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ticketstream.terminal.output import JsonOption, note, print_error, print_json, table

if TYPE_CHECKING:
    from ticketstream.operations.imports.attempt import Attempt
    from ticketstream.operations.imports.known import KnownImport

ImportId = Annotated[str, typer.Argument(metavar="ID", help="The import's id, as `imports list` shows it.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Return once the import is under way.")]


def register(app: typer.Typer) -> None:
    """Add ``import`` and the group ``imports``."""
    app.command("import")(import_)
    group = typer.Typer(help="Lists, shows, resumes and cancels imports.", no_args_is_help=True)
    group.command("list")(list_)
    group.command("show")(show)
    group.command("resume")(resume)
    group.command("cancel")(cancel)
    app.add_typer(group, name="imports")


def import_(
    since: Annotated[
        str | None,
        typer.Option(
            metavar="DATE",
            help="Only tickets changed since: 2026-01-31, 2026-01-31T12:00 (UTC), or a span such as 30d.",
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(metavar="EXPORT.ndjson", help="Read a JSON export of tickets (also packed) instead."),
    ] = None,
    no_wait: NoWait = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only say what it would take: tickets, calls, tokens, minutes, cost."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Import a whole account, or an export file, and wait until all of it is searchable.

    Tickets that are known and unchanged are skipped. With --file this command must run until the file
    is read; with --no-wait it then ends without waiting for the workers. With --dry-run nothing is
    started, and neither Kafka nor workers are needed: a file is read through, and of a Zendesk account
    a few export pages and the comments of some tickets.
    """
    from datetime import UTC, datetime

    from schemas.settings.load import load_settings
    from ticketstream.operations.imports.attempt import start_import
    from ticketstream.operations.imports.since import parse_since

    if since is not None and file is not None:
        raise typer.BadParameter("--since is for imports from Zendesk; --file reads the whole file")
    seconds = parse_since(since, datetime.now(UTC)) if since is not None else 0
    settings = load_settings()
    path = file.expanduser().resolve() if file is not None else None
    if dry_run:
        from ticketstream.cli.imports.forecast import forecast

        forecast(settings, since=seconds, file=path, as_json=as_json)
        return
    run_attempt(
        lambda attempt: start_import(settings, attempt, since=seconds, file=path, wait=not no_wait),
        no_wait=no_wait,
        as_json=as_json,
    )


def resume(import_id: ImportId, no_wait: NoWait = False, as_json: JsonOption = False) -> None:
    """Go on with an import where it stopped, and wait until all of it is searchable."""
    from schemas.settings.load import load_settings
    from ticketstream.operations.imports.attempt import resume_import

    settings = load_settings()
    run_attempt(
        lambda attempt: resume_import(settings, attempt, import_id, wait=not no_wait),
        no_wait=no_wait,
        as_json=as_json,
        fresh=False,
    )


def run_attempt(
    work: Callable[[Attempt], Coroutine[Any, Any, KnownImport]],
    *,
    no_wait: bool,
    as_json: bool,
    fresh: bool = True,
) -> None:
    """Run an import's asynchronous part, and print how it ended or what a Ctrl-C left behind."""
    from schemas.errors import TicketstreamError
    from ticketstream.cli.running import run_async
    from ticketstream.operations.imports.attempt import Attempt
    from ticketstream.operations.imports.summary import import_fields
    from ticketstream.operations.imports.waiting import report

    attempt = Attempt()
    try:
        known = run_async(work(attempt))
    except KeyboardInterrupt:
        if words := attempt.left_behind():
            note(words)
        raise typer.Exit(130) from None
    except TicketstreamError:
        if words := attempt.left_behind():
            note(words)
        raise
    if known.record.status == "running" and no_wait:
        if as_json:
            print_json(import_fields(known))
        else:
            note(f"see how far it is with `ticketstream imports show {known.record.id}`")
        return
    report(known.record, as_json=as_json, fresh=fresh)


def cancel(import_id: ImportId, as_json: JsonOption = False) -> None:
    """Stop an import; what has been fetched already is still brought to its end."""
    from schemas.settings.load import load_settings
    from ticketstream.cli.running import run_async
    from ticketstream.operations.imports.attempt import cancel_import
    from ticketstream.operations.imports.summary import import_fields

    known = run_async(cancel_import(load_settings(), import_id))
    if as_json:
        print_json(import_fields(known))
    if known.record.status != "cancelled":
        print_error(f"import {import_id} ended before it could be cancelled: it is {known.record.status}")
        raise typer.Exit(1)
    note(f"import {import_id} is cancelled; go on with `ticketstream imports resume {import_id}`")


def list_(as_json: JsonOption = False) -> None:
    """List all imports, newest first."""
    from schemas.settings.load import load_settings
    from ticketstream.cli.running import run_async
    from ticketstream.operations.imports.known import load_imports
    from ticketstream.operations.imports.summary import import_fields
    from ticketstream.operations.imports.waits import Waits, waits_now

    settings = load_settings()
    known = run_async(load_imports(settings.cluster))
    running = any(each.record.status == "running" for each in known)
    waits = run_async(waits_now(settings)) if running else Waits()
    rows = [import_fields(each, waits.of(each.record)) for each in known]
    if as_json:
        print_json(rows)
        return
    table(
        ["id", "account", "status", "source", "done", "total", "indexed", "skipped", "failed", "updated"],
        [
            [
                row["id"],
                row["account"],
                row["status"],
                row["source"],
                row["tickets_done"],
                row["tickets_total"],
                row["indexed"],
                row["skipped"],
                row["failed"],
                row["updated_at"],
            ]
            for row in rows
        ],
        empty="no imports yet: start one with `ticketstream import`",
    )
    for words in dict.fromkeys(row["paused"] for row in rows if row["paused"]):
        note(words)


def show(import_id: ImportId, as_json: JsonOption = False) -> None:
    """Show all that is known of one import."""
    from schemas.settings.load import load_settings
    from ticketstream.cli.running import run_async
    from ticketstream.operations.imports.known import find_import
    from ticketstream.operations.imports.summary import import_fields
    from ticketstream.operations.imports.waits import Waits, waits_now
    from ticketstream.terminal.untrusted import one_line

    settings = load_settings()
    known = run_async(find_import(settings.cluster, import_id))
    running = known.record.status == "running"
    waits = run_async(waits_now(settings)) if running else Waits()
    fields = import_fields(known, waits.of(known.record))
    if as_json:
        print_json(fields)
        return
    if fields["paused"] is None:
        del fields["paused"]
    calls = fields.pop("api_calls")
    errors = fields.pop("errors")
    rows: list[tuple[str, object]] = [(name.replace("_", " "), value) for name, value in fields.items()]
    rows += [("Zendesk calls", calls["zendesk"]), ("embedding calls", calls["embedding"])]
    rows += [("error", one_line(error)) for error in errors] or [("errors", 0)]
    # Numbers as text: a column of names and numbers is easier to read from its left edge.
    table(["", ""], [(name, f"{v:,}" if isinstance(v, int) else v) for name, v in rows])
