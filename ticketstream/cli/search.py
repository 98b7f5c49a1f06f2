"""``ticketstream search``: tickets by meaning and by words."""

from __future__ import annotations

from typing import Annotated

import typer

from ticketstream.terminal.hits import print_hits
from ticketstream.terminal.output import JsonOption, print_json


def register(app: typer.Typer) -> None:
    """Add the command ``search``."""
    app.command()(search)


def search(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to look for, in your own words.")],
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most this many tickets.")] = 10,
    status: Annotated[str | None, typer.Option(help="Only tickets of this status, such as open.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only tickets with this tag.")] = None,
    public_only: Annotated[bool, typer.Option("--public-only", help="Leave internal notes out.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Find tickets by meaning and by words, the best first, each with the passage that fits best."""
    from schemas.errors import UserError
    from schemas.settings.load import load_settings
    from streams.search.searcher import find, plain_hit
    from ticketstream.cli.running import run_async

    if not text.strip():
        raise UserError("there is nothing to search for: give some words")
    settings = load_settings()
    hits = run_async(find(settings, text, limit=limit, status=status, tag=tag, public_only=public_only))
    if as_json:
        print_json([plain_hit(hit) for hit in hits])
    else:
        print_hits(hits, text)
