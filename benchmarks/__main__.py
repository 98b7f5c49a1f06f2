"""``python -m benchmarks``: measures the pipeline on a real Kafka and Weaviate with sample services.

Exit status 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks.environments import python_for
from benchmarks.figures import Findings
from benchmarks.machine import this_machine
from benchmarks.page import write_page
from benchmarks.report import show
from benchmarks.results import FOLDER, Result, write_result
from benchmarks.suite import SUITE, Benchmark, Note
from schemas.errors import RetryableError, UserError

_NAMES: Final = tuple(benchmark.name for benchmark in SUITE)
_QUICK_FOLDER: Final = Path(__file__).parent / "results"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=_NAMES, metavar="NAME", help=f"of {', '.join(_NAMES)}; default all"
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, to try it: no figures to quote")
    parser.add_argument(
        "--tickets",
        type=int,
        metavar="N",
        help="tickets of the sample account; default: each benchmark's own",
    )
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="worker processes; default 2")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="where results, plots and page go; default docs/benchmarks, with --quick benchmarks/results",
    )
    arguments = parser.parse_args()
    if arguments.workers < 1 or (arguments.tickets is not None and arguments.tickets < 100):
        parser.error("--tickets must be 100 or more, --workers 1 or more")
    return arguments


def _measured(benchmark: Benchmark, arguments: argparse.Namespace, note: Note) -> Result:
    machine, began = this_machine(), time.monotonic()
    tickets = arguments.tickets or (benchmark.quick if arguments.quick else benchmark.tickets)
    workers = 1 if benchmark.one_worker else arguments.workers
    found = benchmark.run(tickets=tickets, workers=workers, note=note)
    chosen = f"--only {benchmark.name} --tickets {tickets}"
    if not benchmark.one_worker:
        chosen += f" --workers {workers}"
    return Result(
        name=benchmark.name,
        command=f"make bench BENCH_ARGS={shlex.quote(chosen)}",
        tickets=tickets,
        workers=workers,
        minutes=round((time.monotonic() - began) / 60, 1),
        machine=machine,
        findings=[found] if isinstance(found, Findings) else list(found),
    )


def main() -> int:
    """Run what is asked for, keep each result as soon as it is there, and report it."""
    arguments = _arguments()
    folder: Path = arguments.output or (_QUICK_FOLDER if arguments.quick else FOLDER)
    console, errors = Console(), Console(stderr=True)

    def note(text: str) -> None:
        errors.print(f"[bold]{text}[/bold]", highlight=False)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the stacks are stopped
    wrong: list[str] = []
    try:
        python_for("plotting", note)  # not only after the first long run
        for benchmark in SUITE:
            if arguments.only and benchmark.name not in arguments.only:
                continue
            try:
                result = _measured(benchmark, arguments, note)
            except (UserError, RetryableError) as error:
                wrong.append(f"{benchmark.name}: {error}")
                continue
            except Exception as error:  # the others can still be measured
                errors.print_exception()
                wrong.append(f"{benchmark.name}: {error!r}")
                continue
            path = write_result(folder, result)
            write_page(folder, note)
            show(console, result)
            console.print(f"written to {path}", soft_wrap=True)
            wrong += [f"{benchmark.name}: goal missed: {name}" for name in _missed(result.findings)]
    except (UserError, RetryableError, OSError) as error:
        wrong.append(str(error))
    except KeyboardInterrupt:
        return 130
    for line in wrong:
        errors.print(f"error: {line}", highlight=False, markup=False)
    return 1 if wrong else 0


def _missed(found: Sequence[Findings]) -> list[str]:
    return [figure.name.strip() for one in found for figure in one.figures if figure.met is False]


if __name__ == "__main__":
    sys.exit(main())
