"""What the fault suite found: a row a scenario, as a table and as JSON."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from agents.tickets.gates import BEGIN_IN_FLIGHT

RESULTS = "FAULTS_RESULTS"


class Row(msgspec.Struct, kw_only=True):
    """One scenario. Numbers of tickets, faults and changes; of chunks (``lost`` to ``wrong_visibility``:
    see comparison.Differences); of work done another time; seconds.

    ``resume_seconds`` are those from each fault (a worker: from its new process' start; a service: from
    its being ready again) to the first message the pipeline sent in the partitions at stake.
    ``losses`` counts how often what workers had in flight was lost or sent again, ``in_flight`` is the most
    tickets that were in flight at once, of all workers together.
    """

    number: str
    scenario: str
    seed: int
    tickets: int = 0
    changes: int = 0
    webhooks: int = 0
    faults: int = 0
    lost: int = 0
    doubled: int = 0
    stale: int = 0
    orphaned: int = 0
    wrong_visibility: int = 0
    other: int = 0
    """Properties, ids or vectors that differ."""
    enriched_twice: int = 0
    calls_twice: int = 0
    embedded_twice: int = 0
    texts_twice: int = 0
    indexed_twice: int = 0
    losses: int = 0
    in_flight: int = 0
    dead_letters: int = 0
    resume_seconds: list[float] = []
    memory_mb: float = 0
    """The largest resident memory of any worker."""
    seconds: float = 0
    note: str = ""

    @property
    def bound(self) -> int:
        """The most tickets that may have been enriched twice."""
        return self.losses * self.in_flight

    def within_bounds(self) -> bool:
        """Say whether no stage has repeated more than it may."""
        return (
            self.enriched_twice <= self.bound
            and self.embedded_twice <= self.enriched_twice + self.bound
            and self.indexed_twice <= self.embedded_twice + self.bound
            # Of both lanes, what was being read is read again. A change that the other lane overtakes has
            # been read, and a webhook may find nothing new.
            and self.calls_twice
            <= self.bound + 2 * self.losses * BEGIN_IN_FLIGHT + self.changes + self.webhooks
        )


def results_file() -> Path:
    """Return where the rows go: FAULTS_RESULTS, or ``ticketstream-faults.json`` in the temporary folder."""
    return Path(os.environ.get(RESULTS) or Path(tempfile.gettempdir()) / "ticketstream-faults.json")


def write(rows: Sequence[Row]) -> None:
    """Write all rows."""
    results_file().write_bytes(msgspec.json.format(msgspec.json.encode(rows)) + b"\n")


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a table of Markdown."""
    heads = [
        *("scenario", "tickets", "changes", "faults", "lost", "doubled", "stale", "orphaned"),
        *("wrong visibility", "enriched twice", "texts embedded twice", "bound", "resume, s (median / most)"),
    ]
    lines = ["| " + " | ".join(heads) + " |", "|---" + "|--:" * (len(heads) - 1) + "|"]
    for row in rows:
        times = row.resume_seconds
        resume = f"{statistics.median(times):.1f} / {max(times):.1f}" if times else "–"
        cells = [
            f"{row.number} {row.scenario}",
            f"{row.tickets:,}",
            f"{row.changes:,}",
            row.faults,
            row.lost,
            row.doubled,
            row.stale,
            row.orphaned,
            row.wrong_visibility,
            row.enriched_twice,
            row.texts_twice,
            f"{row.bound:,}",
            resume,
        ]
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Print the table of the last run: ``python tests/faults/report.py``."""
    path = results_file()
    if not path.is_file():
        sys.exit(f"{path} is not there: run `make test-faults` first, or name the file in {RESULTS}")
    rows = msgspec.json.decode(path.read_bytes(), type=list[Row])
    print(f"seed {rows[0].seed} (SEED={rows[0].seed} repeats it); all figures: {path}")
    print(table(rows))


if __name__ == "__main__":
    main()
