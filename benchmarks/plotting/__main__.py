"""``python -m benchmarks.plotting FOLDER``: draws all results of a folder."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.plotting.draw import draw
from benchmarks.results import read_results

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for result in read_results(folder).values():
        draw(result, folder)
