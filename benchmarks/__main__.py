"""``python -m benchmarks``: measures the pipeline on a real Kafka and Weaviate with sample services.

Exit status 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks import freshness, instrumentation, memory, quota, replay, scale, throughput, watchers
from benchmarks.figures import Findings
from benchmarks.report import machine, show, write
from schemas.errors import RetryableError, UserError

_ALL: Final = (
    *throughput.SCENARIOS,
    "quota",
    "replay",
    "freshness",
    "memory",
    "instrumentation",
    "watchers",
    "scale",
)
_BY_DEFAULT: Final = (*throughput.SCENARIOS, "quota")
_QUOTA_TICKETS: Final = 4_000
_LARGE: Final = 5
"""Times as many tickets for what only a large import shows."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only",
        nargs="+",
        choices=_ALL,
        metavar="NAME",
        help=f"scenarios to run, of {', '.join(_ALL)}; default {', '.join(_BY_DEFAULT)}",
    )
    parser.add_argument("--tickets", type=int, default=10_000, help="tickets of the sample account")
    parser.add_argument("--workers", type=int, default=2, help="worker processes")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results", metavar="DIR")
    arguments = parser.parse_args()
    if arguments.tickets < 100 or arguments.workers < 1:
        parser.error("--tickets must be 100 or more, --workers 1 or more")
    return arguments


def main() -> int:
    """Run what is asked for and report it."""
    arguments = _arguments()
    wanted = set(arguments.only or _BY_DEFAULT)
    tickets, workers = arguments.tickets, arguments.workers
    console, errors = Console(), Console(stderr=True)

    def note(text: str) -> None:
        errors.print(f"[bold]{text}[/bold]", highlight=False)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the stacks are stopped
    about = machine()
    found: list[Findings] = []
    try:
        if wanted & set(throughput.SCENARIOS):
            found += throughput.run(wanted, tickets=tickets, workers=workers, note=note)
        if "quota" in wanted:
            found.append(quota.run(tickets=min(tickets, _QUOTA_TICKETS), workers=workers, note=note))
        if "freshness" in wanted:
            found.append(freshness.run(tickets=tickets * _LARGE, workers=workers, note=note))
        if "replay" in wanted:
            found.append(replay.run(tickets=tickets, workers=workers, note=note))
        if "watchers" in wanted:
            found.append(watchers.run(tickets=tickets, workers=workers, note=note))
        if "scale" in wanted:
            found.append(scale.run(tickets=tickets, workers=workers, note=note))
        if "memory" in wanted:
            found.append(memory.run(tickets=tickets, workers=workers, note=note))
        if "instrumentation" in wanted:
            found.append(instrumentation.run(tickets=tickets, workers=workers, note=note))
        path = write(arguments.output, about, found)
    except (UserError, RetryableError, OSError) as error:
        errors.print(f"error: {error}", highlight=False, markup=False)
        return 1
    except KeyboardInterrupt:
        return 130
    show(console, about, found)
    console.print(f"written to {path}", soft_wrap=True)
    missed = [figure.name for one in found for figure in one.figures if figure.met is False]
    if missed:
        errors.print(f"error: goals missed: {', '.join(missed)}", highlight=False, markup=False)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
