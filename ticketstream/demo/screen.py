"""What a person sees of the demo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ticketstream.demo.changes import Arrival
from ticketstream.demo.figures import Figures
from ticketstream.demo.summary import summary_rows
from ticketstream.terminal.hits import print_hits

if TYPE_CHECKING:
    from streams.search.hybrid import Hit

_MOST_COLUMNS = 110
"""Longer lines are hard to read, however wide the terminal."""


class Screen:
    """Writes the story on a console: plain lines where that is no terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._chapters = 0

    def chapter(self, title: str) -> None:
        """Begin a chapter."""
        self._chapters += 1
        self._console.print()
        self._console.print(Text(f"{self._chapters}. {title}", style="bold cyan"), soft_wrap=True)

    def say(self, words: str, style: str = "") -> None:
        """Print a line of the story; it is wrapped on a terminal."""
        wide = not self._console.is_terminal
        width = None if wide else min(self._console.width, _MOST_COLUMNS)
        self._console.print(Text(words, style=style), width=width, soft_wrap=wide)

    def arrival(self, arrival: Arrival) -> None:
        """Print that a change is in the search."""
        self._console.print(
            Text.assemble(
                ("  ✓ ", "bold green"),
                f"{arrival.change:<15} #{arrival.ticket_id} is {arrival.shown_as:<28}",
                (f"after {arrival.seconds:.1f} s", "bold"),
            ),
            soft_wrap=True,
        )

    def answers(self, question: str, hits: Sequence[Hit]) -> None:
        """Print a question and what was found."""
        self._console.print(Text(f"“{question}”", style="bold yellow"), soft_wrap=True)
        print_hits(hits, question, self._console)

    def summary(self, figures: Figures) -> None:
        """Print the summary."""
        if not self._console.is_terminal:
            for name, words in summary_rows(figures):
                self._console.print(f"{name:<15}{words}", soft_wrap=True)
            return
        grid = Table.grid(padding=(0, 2))
        grid.add_column()
        grid.add_column()
        for name, words in summary_rows(figures):
            grid.add_row(Text(name, style="bold"), Text(words))
        self._console.print(grid)

    def commands(self, lines: Sequence[str]) -> None:
        """Print lines to copy into a shell, never wrapped."""
        for line in lines:
            self._console.print(line, soft_wrap=True)
