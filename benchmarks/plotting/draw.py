"""Plots as SVG, drawn from the results alone; legible on a light and on a dark page.

Nothing is filled behind, and text and colours have a contrast of 3 to 5 against white and against black.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

import matplotlib
from matplotlib import pyplot
from matplotlib.axes import Axes

from benchmarks.figures import Chart, charts_of
from benchmarks.results import Result

_TEXT: Final = "#777777"
_COLOURS: Final = ("#3b82c4", "#d9730d", "#3a9a5c", "#b15bc0", "#c2483d", "#8a8a1f")
_WIDTH: Final = 8.0
_BAR: Final = 0.26
"""Inches for a bar."""
_MARKED: Final = 12
"""Most points of a line that are marked."""
_LINES: Final = 3.0
_FRAME: Final = 1.0
"""Inches around each chart."""
_GOAL: Final[dict[str, Any]] = {"color": _TEXT, "linestyle": "--", "linewidth": 1.2, "zorder": 0.5}
_STYLE: Final = {
    "font.family": "sans-serif",
    "font.size": 10,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "ticketstream",  # the same figures give the same file
    "text.color": _TEXT,
    "axes.labelcolor": _TEXT,
    "axes.edgecolor": _TEXT,
    "axes.titlecolor": _TEXT,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "xtick.color": _TEXT,
    "ytick.color": _TEXT,
    "grid.color": _TEXT,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "legend.fontsize": 9,
}


def draw(result: Result, folder: Path) -> Path:
    """Draw all charts of a result, one below the other, and return the file; raises OSError."""
    matplotlib.use("svg")
    charts = [chart for findings in result.findings for chart in charts_of(findings)]
    heights = [_height(chart) for chart in charts]
    with pyplot.rc_context(_STYLE):
        figure, axes = pyplot.subplots(
            len(charts),
            figsize=(_WIDTH, sum(heights)),
            height_ratios=heights,
            squeeze=False,
            layout="constrained",
        )
        for axis, chart in zip(axes[:, 0], charts, strict=True):
            (_bars if chart.kind == "bars" else _lines)(axis, chart)
        path = folder / f"{result.name}.svg"
        figure.savefig(path, metadata={"Date": None})
        pyplot.close(figure)
    return path


def _height(chart: Chart) -> float:
    if chart.kind == "lines":
        return _LINES + _FRAME
    return _FRAME + _BAR * len(chart.labels) * max(1.5, len(chart.series) + 0.5)


def _bars(axis: Axes, chart: Chart) -> None:
    rows, count = len(chart.labels), len(chart.series)
    thick = 0.8 / count
    most = max((value for series in chart.series for value in series.values), default=0.0)
    for number, series in enumerate(chart.series):
        places = [row - 0.4 + thick * (number + 0.5) for row in range(rows)]
        drawn = axis.barh(places, series.values, thick * 0.92, color=_colour(number), label=series.name)
        axis.bar_label(drawn, [_short(value) for value in series.values], padding=3, fontsize=9)
    axis.set_yticks(range(rows), chart.labels)
    axis.invert_yaxis()  # the first on top
    axis.set_xlim(0, max(most, chart.goal or 0) * 1.12 or 1)
    axis.grid(axis="x")
    axis.set_axisbelow(True)
    axis.tick_params(axis="y", length=0)
    if chart.goal is not None:
        axis.axvline(
            chart.goal, color=_TEXT, linestyle="--", linewidth=1.2, label=f"goal {_short(chart.goal)}"
        )
    _finish(axis, chart, x=chart.unit)


def _lines(axis: Axes, chart: Chart) -> None:
    for number, series in enumerate(chart.series):
        few = "o" if len(series.at) <= 12 else None
        axis.plot(
            series.at, series.values, marker=few, markersize=4, color=_colour(number), label=series.name
        )
    if chart.goal is not None:
        axis.axhline(
            chart.goal, color=_TEXT, linestyle="--", linewidth=1.2, label=f"goal {_short(chart.goal)}"
        )
    axis.set_ylim(bottom=0)
    axis.grid(axis="y")
    _finish(axis, chart, x=chart.x)
    axis.set_ylabel(chart.unit)


def _finish(axis: Any, chart: Chart, *, x: str) -> None:
    axis.set_title(chart.title)
    axis.set_xlabel(x)
    if len(chart.series) > 1 or chart.goal is not None:
        axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _colour(number: int) -> str:
    return _COLOURS[number % len(_COLOURS)]


def _short(value: float) -> str:
    """Return three digits that count, or all of a whole number."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}".rstrip("0").rstrip(".")
