"""``python -m benchmarks.page``: writes ``docs/benchmarks``' plots and README.md from the results there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from benchmarks.environments import python_for
from benchmarks.report import met_of, value_of
from benchmarks.results import FOLDER, Result, read_results
from benchmarks.suite import SUITE, Benchmark, Note
from schemas.errors import StackError

_ROOT: Final = Path(__file__).parents[1]
_HEAD: Final = """\
# Benchmarks

Written by `python -m benchmarks.page` from the JSON files here; do not edit. Each result says where and when
it was measured, and the command that repeats it. Kafka and Weaviate are real; Zendesk and Gemini are the
sample servers of this repository, on the same machine. What is compared is measured in one run, in turn:
machines are noisy, so trust ratios before rates. `make bench` runs all; `BENCH_ARGS` chooses: `--only NAME`,
`--quick` (small, to try it), `--tickets N`, `--workers N`, `--output DIR`.

| benchmark | question | minutes | last run |
|---|---|--:|---|
"""


def page(results: Mapping[str, Result]) -> str:
    """Return the text of the page: all benchmarks, and what the results say."""
    rows = [_row(benchmark, results.get(benchmark.name)) for benchmark in SUITE]
    parts = [_part(benchmark, results[benchmark.name]) for benchmark in SUITE if benchmark.name in results]
    return _HEAD + "".join(rows) + "".join(parts)


def _row(benchmark: Benchmark, result: Result | None) -> str:
    name = benchmark.name if result is None else f"[{benchmark.name}](#{benchmark.name})"
    last = "none kept here" if result is None else f"{result.machine.date[:10]}, {result.tickets:,} tickets"
    return f"| {name} | {benchmark.question} | {benchmark.minutes} | {last} |\n"


def _part(benchmark: Benchmark, result: Result) -> str:
    lines = [
        "",
        f"## {benchmark.name}",
        "",
        benchmark.question,
        "",
        f"`{result.command}` ({result.minutes:.0f} minutes; {result.tickets:,} tickets, "
        f"workers: {result.workers})  ",
        f"{result.machine.line}",
        "",
        f"![{benchmark.name}: {benchmark.question}]({result.name}.svg)",
    ]
    for findings in result.findings:
        lines += ["", f"| {findings.scenario} | measured | goal | |", "|---|--:|---|---|"]
        lines += [
            f"| {figure.name.strip()} | {value_of(figure)} | {figure.goal} | {met_of(figure)} |"
            for figure in findings.figures
        ]
    return "\n".join(lines) + "\n"


def write_page(folder: Path, note: Note) -> None:
    """Draw and write everything of a folder's results.

    Raises OSError, and StackError for a result that cannot be read or drawn.
    """
    text = page(read_results(folder))
    drawing = [str(python_for("plotting", note)), "-m", "benchmarks.plotting", str(folder.resolve())]
    ended = subprocess.run(drawing, cwd=_ROOT, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise StackError(f"the plots cannot be drawn: {ended.stderr.strip()[-500:]}")
    (folder / "README.md").write_text(text)


def main() -> int:
    """Draw and write everything anew."""
    try:
        write_page(FOLDER, print)
    except (StackError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
