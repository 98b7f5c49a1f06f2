"""What a scenario finds: figures, each beside its goal where there is one."""

from __future__ import annotations

from typing import Any

import msgspec


class Figure(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One line of the report. ``met`` is None where there is no goal."""

    name: str
    value: float | int | str
    unit: str = ""
    goal: str = ""
    met: bool | None = None


class Findings(msgspec.Struct, kw_only=True):
    """A scenario's figures, and the measurements they were computed from."""

    scenario: str
    figures: list[Figure]
    measured: dict[str, Any]


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
