"""What a scenario finds: figures, each beside its goal where there is one, and charts of them."""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class Figure(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One line of the report. ``met`` is None where there is no goal."""

    name: str
    value: float | int | str
    unit: str = ""
    goal: str = ""
    met: bool | None = None


class Series(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One row of bars (a value for each label of the chart) or one line (``at`` says where on the x axis)."""

    name: str
    values: list[float]
    at: list[float] = []


class Chart(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What is drawn: horizontal bars, a group for each label, or lines over ``x``."""

    title: str
    unit: str
    kind: Literal["bars", "lines"] = "bars"
    series: list[Series]
    labels: list[str] = []
    x: str = ""
    goal: float | None = None


class Findings(msgspec.Struct, kw_only=True):
    """A scenario's figures, the measurements they were computed from, and what is drawn of them.

    A scenario without charts gets one of the figures that share the unit of most.
    """

    scenario: str
    figures: list[Figure]
    measured: dict[str, Any]
    charts: list[Chart] = []


def at_least(name: str, value: float, least: float, unit: str = "") -> Figure:
    """Return a figure that should not be below ``least``."""
    value = round(value, 3)
    return Figure(name=name, value=value, unit=unit, goal=f"at least {least:g}", met=value >= least)


def at_most(name: str, value: float, most: float, unit: str = "") -> Figure:
    """Return a figure that should not be above ``most``."""
    value = round(value, 3)
    return Figure(name=name, value=value, unit=unit, goal=f"at most {most:g}", met=value <= most)


def plain(name: str, value: float | int | str, unit: str = "") -> Figure:
    """Return a figure without a goal."""
    return Figure(name=name, value=round(value, 2) if isinstance(value, float) else value, unit=unit)


def bars(title: str, unit: str, values: dict[str, float], *, goal: float | None = None) -> Chart:
    """Return a chart with one bar for each value."""
    series = [Series(name="", values=list(values.values()))]
    return Chart(title=title, unit=unit, series=series, labels=list(values), goal=goal)


def charts_of(findings: Findings) -> list[Chart]:
    """Return what is drawn of a scenario; empty when it has neither charts nor figures with numbers."""
    if findings.charts:
        return findings.charts
    by_unit: dict[str, dict[str, float]] = {}
    for figure in findings.figures:
        if not isinstance(figure.value, str):
            by_unit.setdefault(figure.unit, {})[figure.name.strip()] = figure.value
    if not by_unit:
        return []
    unit = max(by_unit, key=lambda one: (one != "", len(by_unit[one])))
    return [bars(findings.scenario, unit, by_unit[unit])]
