"""``ticketstream search``: tickets by meaning and by words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.padding import Padding
from rich.text import Text

from ticketstream.cli.output import JsonOption, out, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from streams.sinks.weaviate.search import Hit

_PASSAGE_CHARACTERS = 240
_SUBJECT_CHARACTERS = 80


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
    from schemas.settings import load_settings
    from ticketstream.cli.running import run_async
    from ticketstream.records.searching import find, plain_hit

    if not text.strip():
        raise UserError("there is nothing to search for: give some words")
    settings = load_settings()
    hits = run_async(find(settings, text, limit=limit, status=status, tag=tag, public_only=public_only))
    if as_json:
        print_json([plain_hit(hit) for hit in hits])
    else:
        print_hits(hits, text)


def print_hits(hits: Sequence[Hit], text: str, console: Console | None = None) -> None:
    """Print the hits of a search for ``text`` on stdout, or on the console given."""
    from ticketstream.untrusted import one_line, shortened

    console = console or out()
    if not hits:
        console.print("nothing found")
        return
    for number, hit in enumerate(hits, start=1):
        head = hit.target or hit
        subject = shortened(one_line(head.subject), _SUBJECT_CHARACTERS)
        merged = f"#{hit.ticket_id} merged into #{hit.merged_into}"
        console.print(
            Text.assemble(
                f"{number:>3}. ",
                (merged if hit.merged_into and not hit.target else f"#{head.ticket_id}", "bold"),
                f"  {hit.score:.2f}  ",
                (hit.visibility, "yellow" if hit.visibility == "internal" else "green"),
                f"  {one_line(head.status)}  ",
                (subject, "bold"),
            ),
            soft_wrap=True,
        )
        passage = shortened(one_line(hit.text), _PASSAGE_CHARACTERS, around=text)
        if hit.target:
            passage = f"{merged}: {passage}"
        if console.is_terminal:
            console.print(Padding(Text(passage), (0, 0, 0, 5)))
        else:
            console.print(f"     {passage}", soft_wrap=True)
