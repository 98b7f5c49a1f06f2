"""The report: a table for people, a JSON file with everything that was measured."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.figures import Figure, Findings


def machine() -> dict[str, Any]:
    """Return what the figures depend on; ``load`` is that of the last minute before the benchmark."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "python": platform.python_version(),
        "system": platform.platform(),
        "load": round(os.getloadavg()[0], 1),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def write(folder: Path, about: dict[str, Any], found: Sequence[Findings]) -> Path:
    """Write the JSON file and return its path; raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode({"machine": about, "scenarios": found})))
    return path


def show(console: Console, about: dict[str, Any], found: Sequence[Findings]) -> None:
    """Print machine and figures."""
    console.print(
        f"{about['cores']} cores ({about['processor']}), {about['memory_gb']} GB, Python {about['python']}, "
        f"{about['date']}, load {about['load']}"
    )
    for findings in found:
        table = Table(title=findings.scenario, title_justify="left", min_width=90)
        table.add_column("figure")
        table.add_column("measured", justify="right")
        table.add_column("goal")
        table.add_column("")
        for figure in findings.figures:
            table.add_row(figure.name, _value(figure), figure.goal, _met(figure))
        console.print(table)


def _value(figure: Figure) -> str:
    value = figure.value if isinstance(figure.value, str) else f"{figure.value:,}"
    return f"{value} {figure.unit}".strip()


def _met(figure: Figure) -> str:
    return "" if figure.met is None else ("met" if figure.met else "MISSED")
