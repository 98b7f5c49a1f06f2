"""Product files of more lines than a reader can hold in mind: names them, and says what to do.

python -m tools.check_lengths
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PACKAGES: Final = ("schemas", "streams", "agents", "ticketstream")
MOST_LINES: Final = 300
EXCEPTIONS: Final[dict[str, str]] = {}
"""Files that may be longer, and why. One that is short enough again has no place here."""


def found(root: Path, exceptions: dict[str, str]) -> list[str]:
    """Return a line for each file that is too long, and for each exception that is none any more."""
    lengths = {
        path.relative_to(root).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for package in PACKAGES
        for path in sorted((root / package).rglob("*.py"))
    }
    too_long = [
        f"{name} has {lines} lines, {MOST_LINES} is the most: give what has a purpose of its own a file "
        "of its own, or list it in tools/check_lengths.py with the reason why it reads best in one piece"
        for name, lines in lengths.items()
        if lines > MOST_LINES and name not in exceptions
    ]
    needless = [
        f"{name} is no file of more than {MOST_LINES} lines: take it out of tools/check_lengths.py"
        for name in exceptions
        if lengths.get(name, 0) <= MOST_LINES
    ]
    return too_long + needless


def main() -> int:
    """Print what is wrong; the exit code is 1 when anything is."""
    lines = found(ROOT, EXCEPTIONS)
    for line in lines:
        print(line, file=sys.stderr)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
