"""Writes grafana/dashboards/: ``python -m grafana.source``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana.source import apis, imports, overview, pipeline, runbook, workers
from grafana.source.parts import ROOT

FOLDER: Final = ROOT / "grafana" / "dashboards"
BOARDS: Final = {
    "overview": overview.BOARD,
    "pipeline": pipeline.BOARD,
    "apis": apis.BOARD,
    "imports": imports.BOARD,
    "workers": workers.BOARD,
    "runbook": runbook.BOARD,
}


def written(name: str) -> str:
    """Return the JSON of a dashboard."""
    return JSONEncoder(sort_keys=True, indent=2).encode(BOARDS[name]) + "\n"


def main(folder: Path = FOLDER) -> None:
    """Write all dashboards."""
    for name in BOARDS:
        (folder / f"{name}.json").write_text(written(name))


if __name__ == "__main__":
    main()
