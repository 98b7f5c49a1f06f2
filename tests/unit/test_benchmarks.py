"""The benchmarks' results are whole: each has its machine, its plot, and its place on the page."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from benchmarks.figures import Chart, Findings, Series, at_least, at_most, bars, charts_of, plain
from benchmarks.machine import this_machine
from benchmarks.page import page
from benchmarks.results import FOLDER, Machine, Result, read_results, write_result
from benchmarks.suite import SUITE

ROOT = Path(__file__).parents[2]
NAMES = [benchmark.name for benchmark in SUITE]
RESULTS = read_results(FOLDER)


def machine() -> Machine:
    return Machine(
        date="2026-01-02T03:04:05+00:00",
        processor="a processor",
        cores=2,
        memory_gb=24.0,
        system="a system",
        python="3.11.2",
        kafka="4.1.1",
        weaviate="1.35.2",
        commit="0123456789",
        load=0.1,
    )


def result(name: str) -> Result:
    findings = Findings(
        scenario="a scenario",
        figures=[
            at_least("rate", 1_234.5, 2_000, "messages/s"),
            plain("  each round", "1, 2"),
            at_most("lost", 0, 0),
        ],
        measured={"runs": [1, 2]},
        charts=[bars("Rates", "messages/s", {"one": 1.0, "other": 2.0}, goal=2_000)],
    )
    return Result(
        name=name,
        command=f"make bench BENCH_ARGS='--only {name}'",
        tickets=4_000,
        workers=2,
        minutes=3.2,
        machine=machine(),
        findings=[findings],
    )


@pytest.mark.parametrize("name", RESULTS)
def test_every_result_says_where_and_when_and_is_drawn(name: str) -> None:
    kept = RESULTS[name]
    assert kept.name == name
    assert name in NAMES
    about = kept.machine
    assert datetime.fromisoformat(about.date).tzinfo is not None
    assert about.processor and about.system and about.python and about.kafka and about.weaviate
    assert about.cores >= 1 and about.memory_gb > 0
    assert re.match(r"[0-9a-f]{10}", about.commit)
    assert f"--only {name} " in kept.command
    assert (FOLDER / f"{name}.svg").read_text().startswith("<?xml")
    assert all(findings.figures for findings in kept.findings)
    text = (FOLDER / "README.md").read_text()
    assert f"| [{name}](#{name}) |" in text
    assert f"({name}.svg)" in text


def test_nothing_lies_about_that_belongs_to_no_result() -> None:
    drawn = {path.stem for path in FOLDER.glob("*.svg")}
    assert drawn == RESULTS.keys()


def test_the_page_is_made_of_the_results() -> None:
    text = (FOLDER / "README.md").read_text()
    assert text == page(RESULTS), "run .venv/bin/python -m benchmarks.page"


def test_the_page_shows_figures_goals_and_what_is_missed() -> None:
    text = page({"stage": result("stage")})
    assert "| [stage](#stage) |" in text
    assert "| replay |" in text  # listed, with how long it takes, before there is a result
    assert "| rate | 1,234.5 messages/s | at least 2000 | MISSED |" in text
    assert "| lost | 0 | at most 0 | met |" in text
    assert "`make bench BENCH_ARGS='--only stage'` (3 minutes; 4,000 tickets, workers: 2)" in text
    assert machine().line in text


def test_a_result_is_read_back_as_it_was(tmp_path: Path) -> None:
    path = write_result(tmp_path / "new", result("stage"))
    assert path.name == "stage.json"
    assert read_results(path.parent) == {"stage": result("stage")}


def test_this_machine_is_described_whole() -> None:
    here = msgspec.to_builtins(this_machine())
    assert all(value != "" for value in here.values()), here


def test_a_scenario_without_charts_gets_one_of_its_figures() -> None:
    figures = [
        plain("share", 0.5),
        plain("one", 1.5, "s"),
        plain("  two", 2.5, "s"),
        plain("rounds", "1, 2", "s"),
    ]
    (chart,) = charts_of(Findings(scenario="all", figures=figures, measured={}))
    assert chart == bars("all", "s", {"one": 1.5, "two": 2.5})
    assert charts_of(Findings(scenario="none", figures=[plain("a", "b")], measured={})) == []


def test_its_own_charts_are_kept() -> None:
    own = Chart(
        title="t", unit="s", kind="lines", series=[Series(name="a", at=[0.0, 1.0], values=[2.0, 3.0])]
    )
    assert charts_of(Findings(scenario="s", figures=[], measured={}, charts=[own])) == [own]


def test_names_are_distinct_and_small_sizes_are_small() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert all(100 <= benchmark.quick < benchmark.tickets for benchmark in SUITE)


@pytest.mark.parametrize("part", ["plotting", "quix"])
def test_every_package_of_the_benchmarks_is_in_the_dependencies(part: str) -> None:
    folder = ROOT / "benchmarks" / part
    page, lock = (ROOT / "docs" / "dependencies.md").read_text(), (folder / "requirements.lock").read_text()
    for line in (folder / "requirements.in").read_text().splitlines():
        if not line.startswith("#"):
            name = re.split(r"[<>=~]", line)[0]
            assert f"`{name}`" in page, name
            assert re.search(rf"^{re.escape(name)}==", lock, re.MULTILINE), name
