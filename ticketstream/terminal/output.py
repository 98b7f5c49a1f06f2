"""What a person or a script reads: tables and notes for people, ``--json`` for programs.

Results go to stdout. Notes, progress and errors go to stderr, so that stdout of a ``--json`` run is
one JSON document and nothing else. Text that comes from outside is never read as markup.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, NoReturn

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout instead of tables.")]
"""Type of the ``--json`` option: ``def status(as_json: JsonOption = False)``."""


def out() -> Console:
    """Return a console on stdout that reads no markup and adds no colours to values.

    Into a file or a pipe its lines are wide, so that no table cell is broken over lines.
    """
    width = None if sys.stdout.isatty() else 240
    return Console(markup=False, highlight=False, emoji=False, width=width)


def err() -> Console:
    """Return a console on stderr that reads no markup."""
    return Console(stderr=True, markup=False, highlight=False, emoji=False)


def print_json(value: Any) -> None:
    """Print the value as indented JSON on stdout; dates as ISO 8601, paths and other types as text."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE
    sys.stdout.write(orjson.dumps(value, default=_jsonable, option=options).decode())
    sys.stdout.flush()


def _jsonable(value: Any) -> Any:
    import msgspec

    return msgspec.structs.asdict(value) if isinstance(value, msgspec.Struct) else str(value)


def table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None, empty: str = ""
) -> None:
    """Print rows under column heads on stdout; None is shown as a dash, numbers are right-aligned.

    With no rows it prints ``empty`` instead (nothing when that is ''). Cells are text, never markup.
    """
    held = [list(row) for row in rows]
    if not held:
        if empty:
            out().print(empty, soft_wrap=True)
        return
    grid = Table(title=Text(title) if title else None, title_justify="left", box=None, pad_edge=False)
    for number, column in enumerate(columns):
        numeric = all(isinstance(row[number], int | float) or row[number] is None for row in held)
        grid.add_column(Text(column), justify="right" if numeric else "left", overflow="fold")
    for row in held:
        grid.add_row(*(cell if isinstance(cell, Text) else Text(_shown(cell)) for cell in row))
    out().print(grid)


def _shown(cell: object) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int):
        return f"{cell:,}"
    return f"{cell:,.2f}" if isinstance(cell, float) else str(cell)


def note(message: str) -> None:
    """Print a line for people on stderr."""
    err().print(message, soft_wrap=True)


def print_error(message: str) -> None:
    """Print ``error: …`` on stderr as one line, whatever line breaks the message holds."""
    line = " ".join(message.split()) or "unknown error"
    try:
        err().print(Text.assemble(("error:", "bold red"), " ", line), soft_wrap=True)
    except OSError:  # nobody reads stderr any more
        return


def fail(message: str, code: int = 1) -> NoReturn:
    """Print the error line and end the command with this exit status."""
    print_error(message)
    raise typer.Exit(code)


def size(count: float) -> str:
    """Return a number of bytes for people, as ``12.3 MB`` (powers of 1,000)."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
