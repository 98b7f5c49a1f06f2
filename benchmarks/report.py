"""The report on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from benchmarks.figures import Figure
from benchmarks.results import Result


def show(console: Console, result: Result) -> None:
    """Print where it was measured, and the figures."""
    console.print(result.machine.line, highlight=False)
    for findings in result.findings:
        table = Table(title=findings.scenario, title_justify="left", min_width=90)
        table.add_column("figure")
        table.add_column("measured", justify="right")
        table.add_column("goal")
        table.add_column("")
        for figure in findings.figures:
            table.add_row(figure.name, value_of(figure), figure.goal, met_of(figure))
        console.print(table)


def value_of(figure: Figure) -> str:
    """Return the value with its unit."""
    value = figure.value if isinstance(figure.value, str) else f"{figure.value:,}"
    return f"{value} {figure.unit}".strip()


def met_of(figure: Figure) -> str:
    """Return whether the goal is met; empty without a goal."""
    return "" if figure.met is None else ("met" if figure.met else "MISSED")
