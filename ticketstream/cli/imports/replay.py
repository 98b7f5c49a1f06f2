"""``ticketstream replay``: what lies on a topic passes through the pipeline once more."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from ticketstream.cli.imports.commands import run_attempt
from ticketstream.terminal.output import JsonOption

_WHEN = "2026-01-31, 2026-01-31T12:00 (UTC), or a span such as 12h"


class Topic(StrEnum):
    """Where a replay reads."""

    CHANGES = "changes"
    ENRICHED = "enriched"
    EMBEDDED = "embedded"


def register(app: typer.Typer) -> None:
    """Add ``replay``."""
    app.command()(replay)


def replay(
    source: Annotated[
        Topic,
        typer.Option(
            "--from",
            help="changes: fetch from Zendesk again; enriched: make the vectors again, without Zendesk; "
            "embedded: write Weaviate again, without Zendesk and Gemini.",
        ),
    ],
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help=f"Only what came to the topic since: {_WHEN}.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="DATE", help="Only what came to the topic before this moment.")
    ] = None,
    ticket: Annotated[
        list[int] | None, typer.Option(metavar="N", min=1, help="Only this ticket; may be given again.")
    ] = None,
    drop_old: Annotated[
        bool,
        typer.Option("--drop-old", help="Delete the collection that was read before, once it is replaced."),
    ] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Return once the replay is under way.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Send tickets through the pipeline once more, while live changes go on.

    An older state of a ticket never replaces a newer one. With another embedding model set for the
    workers, `replay --from enriched` fills a collection of its own beside the one searches read, and
    switches them to it when all tickets are there. A replay is listed, shown, cancelled and resumed with
    `ticketstream imports`.
    """
    from datetime import UTC, datetime

    from schemas.errors import UserError
    from schemas.messages.imports import ImportSpec
    from schemas.settings.load import load_settings
    from ticketstream.cli.imports.replay_run import start_replay
    from ticketstream.operations.imports.since import parse_moment

    now = datetime.now(UTC)
    start = max(0, parse_moment(since, now, "--since")) if since is not None else 0
    end = parse_moment(until, now, "--until") if until is not None else 0
    if start > now.timestamp():
        raise UserError(f"--since {since!r} lies in the future")
    if until is not None and end <= start:
        raise UserError(
            f"nothing lies between --since {since!r} and --until {until!r}"
            if since is not None
            else f"--until {until!r} lies before every message"
        )
    spec = ImportSpec(
        since=start,
        replay=source.value,
        until=end,
        tickets=sorted(set(ticket or ())),
        drop_old=drop_old,
    )
    if drop_old and not (spec.is_whole_replay and source is Topic.ENRICHED):
        raise UserError(
            "--drop-old goes with `--from enriched` of everything: only that replaces a collection"
        )
    settings = load_settings()
    run_attempt(
        lambda attempt: start_replay(settings, attempt, spec, wait=not no_wait),
        no_wait=no_wait,
        as_json=as_json,
    )
