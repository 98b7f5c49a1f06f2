"""Hits of a search, on a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.text import Text

from ticketstream.terminal.output import out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from streams.search.hybrid import Hit

_PASSAGE_CHARACTERS = 240
_SUBJECT_CHARACTERS = 80


def print_hits(hits: Sequence[Hit], text: str, console: Console | None = None) -> None:
    """Print the hits of a search for ``text`` on stdout, or on the console given."""
    from ticketstream.terminal.untrusted import one_line, shortened

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
