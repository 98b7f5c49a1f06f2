"""The live progress of an import: bars on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Final, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from schemas.messages.imports import ImportRecord
from schemas.stages import EMBED, STAGES
from ticketstream.operations.imports.summary import Pace, done_of, duration, events_words, passed, total_of

_LINE_SECONDS: Final = 5.0


def progress_line(record: ImportRecord, pace: Pace, paused: str | None = None) -> str:
    """Return the whole progress as one line; ``paused`` says why it cannot go on, in place of its pace."""
    total = total_of(record)
    parts = [
        f"{done_of(record):,} of {'?' if total is None else f'{total:,}'} tickets done",
        f"fetched {record.fetched:,}",
        *(f"{stage.done} {getattr(record, stage.done):,}" for stage in STAGES),
        f"skipped {record.skipped:,}",
        f"failed {record.failed:,}",
    ]
    if words := events_words(record):
        parts.insert(1, words)
    return ", ".join(parts) + (f"; {paused}" if paused else _pace_words(record, pace))


def _pace_words(record: ImportRecord, pace: Pace) -> str:
    rate, left = pace.rate, pace.left(total_of(record))
    words = f"; {rate:,.1f} tickets/s" if rate is not None else ""
    return words + (f", {duration(left)} left" if left else "")


class ImportProgress:
    """Shows an import while it runs; a context manager.

    ``update`` takes each new state, None while no worker has taken the import up. ``console`` should
    write to stderr, so that stdout stays free for results.
    """

    def __init__(self, console: Console, *, waiting: str = "waiting for a worker …") -> None:
        self._console = console
        self._waiting = waiting
        self._pace = Pace()
        self._last_line: float | None = None
        self._last_text = ""
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(
                Text(self._waiting), console=self._console, refresh_per_second=8, redirect_stdout=False
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, record: ImportRecord | None, paused: str | None = None) -> None:
        """Show a state; ``paused`` says why it cannot go on."""
        now = time.monotonic()
        if paused:
            self._pace = Pace()  # what stood still says nothing of how it goes on
        if record is not None:
            self._pace.add(now, done_of(record))
        if self._live is not None:
            self._live.update(Text(self._waiting) if record is None else _bars(record, self._pace, paused))
            return
        if self._last_line is None:
            # The first line is due soon, when there is something to tell.
            self._last_line = now
        elif now - self._last_line >= _LINE_SECONDS:
            text = self._waiting if record is None else progress_line(record, self._pace, paused)
            if text != self._last_text:
                self._console.print(text, soft_wrap=True)
            self._last_line, self._last_text = now, text


def _bars(record: ImportRecord, pace: Pace, paused: str | None) -> Any:
    from rich.console import Group
    from rich.progress_bar import ProgressBar

    total = total_of(record)
    grid = Table.grid(padding=(0, 1))
    grid.add_column()
    grid.add_column()
    grid.add_column(justify="right")
    rows = [("fetched", record.fetched + record.unreadable, record.fetched)]
    rows += [
        (stage.done, passed(record, stage.name), getattr(record, stage.done))
        for stage in STAGES
        if not (stage is EMBED and record.spec.replay == "embedded")  # goes past it
    ]
    for name, through, count in rows:
        # While the total is unknown a stage is measured against what was fetched, and fetching only pulses.
        limit = total if total is not None else (None if name == "fetched" else record.fetched)
        bar = ProgressBar(
            total=limit or None, completed=min(through, limit or through), width=36, pulse=limit is None
        )
        of = "" if total is None else f" of {total:,}"
        grid.add_row(Text(name), bar, Text(f"{count:,}{of}"))
    line = f"skipped {record.skipped:,}, failed {record.failed:,}"
    if words := events_words(record):
        line = f"{words}; {line}"
    if paused:
        return Group(grid, Text(line), Text(paused, style="yellow"))
    return Group(grid, Text(line + _pace_words(record, pace)))
