"""Tools and the cache: versions, install lines, whole parts only, one builder at a time."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from schemas.errors import StackError
from ticketstream.local.stack import kafka, kafka_classes, tools
from ticketstream.local.stack.build import KAFKA, Part, log_tail, ready_parts, run_logged
from ticketstream.local.stack.layout import StackPaths
from ticketstream.operations.locks import file_lock

ROOT = Path(__file__).parents[4]
Detail = Callable[[str], None]


def quiet(step: str, detail: str) -> None:
    """Report to nobody."""


def part(make: Callable[[Path], None], needed: tuple[tools.Tool, ...] = ()) -> Part:
    def run(folder: Path, found: Mapping[str, Path], log: Path, detail: Detail) -> None:
        make(folder)

    return Part(name="thing-1", step="making it", proof="thing", tools=needed, make=run)


def built(made: Part) -> Path | None:
    return ready_parts(
        with_kafka=False, with_weaviate=True, progress=quiet, parts={"weaviate": made}
    ).weaviate_server


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TICKETSTREAM_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime', 17),
        ('java version "1.8.0_402"', 8),
        ('openjdk version "25" 2025-09-16', 25),
        ("command not found", None),
    ],
)
def test_java_versions_are_read(text: str, version: int | None) -> None:
    assert tools.java_version(text) == version


@pytest.mark.parametrize(
    ("version", "toolchain", "line", "problem"),
    [
        ("go1.26.8", "local", "", ""),
        ("go1.25rc1", "auto", "", ""),
        ("go1.24.4", "auto", "", ""),
        ("go1.24.4", "local", "", "Go 1.24 is too old, Go 1.25 or newer is needed"),
        ("go1.19.8", "", "go version go1.19.8 linux/amd64", "Go 1.19 is too old, Go 1.25 or newer is needed"),
        ("", "", "go version go1.18 linux/amd64", "Go 1.18 is too old, Go 1.25 or newer is needed"),
        ("", "", "", "Go does not work"),
    ],
)
def test_go_versions_are_judged(version: str, toolchain: str, line: str, problem: str) -> None:
    assert tools.go_problem(version, toolchain, line) == problem


def test_all_missing_tools_are_named_with_their_install_lines_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(StackError) as caught:
        ready_parts(with_kafka=True, with_weaviate=True, progress=quiet)
    line = str(caught.value)
    assert "Java 17 or newer is missing: apt-get install default-jre-headless" in line
    assert "Maven is missing: apt-get install maven" in line
    assert "Go 1.25 or newer is missing: apt-get install golang" in line
    assert "\n" not in line
    assert not cache.exists()


def test_the_check_runs_with_nothing_installed(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-S", "-m", "ticketstream.local.stack.tools"],
        cwd=ROOT,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr.startswith("error: the local stack cannot be built or run; Java 17")
    assert result.stderr.count("\n") == 1


def test_what_only_the_tests_need_is_named_by_itself(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-S", "-m", "ticketstream.local.stack.tools", "tests"],
        cwd=ROOT,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr == (
        "error: the tests cannot be run; Chromium is missing: apt-get install chromium; "
        "curl is missing: apt-get install curl; "
        "Prometheus is missing: apt-get install prometheus; promtool is missing: apt-get install prometheus\n"
    )


def test_a_tool_that_is_too_old_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(StackError, match="Java 11 is too old, Java 17 or newer is needed: apt-get install"):
        tools.check([tools.JAVA])


def test_what_is_in_the_cache_needs_no_tool_to_make_it(cache: Path) -> None:
    def never(folder: Path) -> None:
        raise AssertionError("made again")

    (cache / "thing-1").mkdir(parents=True)
    (cache / "thing-1" / "thing").touch()
    nowhere = tools.Tool("Nothing", "no-such-command", "-")
    assert built(part(never, (nowhere,))) == cache / "thing-1" / "thing"


def test_a_part_is_made_once_and_left_overs_of_a_killed_builder_go(cache: Path) -> None:
    (cache / ".thing-1-killed").mkdir(parents=True)
    made: list[Path] = []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "thing").touch()

    for _ in range(2):
        assert built(part(make)) == cache / "thing-1" / "thing"
    assert len(made) == 1
    assert sorted(path.name for path in cache.iterdir()) == ["thing-1", "thing-1.lock"]


@pytest.mark.parametrize("error", [StackError("failed"), KeyboardInterrupt()])
def test_a_build_that_ends_early_leaves_nothing(cache: Path, error: BaseException) -> None:
    def fail(folder: Path) -> None:
        (folder / "thing").touch()
        raise error

    with pytest.raises(type(error)):
        built(part(fail))
    assert [path.name for path in cache.iterdir()] == ["thing-1.lock"]


def test_a_build_without_a_result_is_an_error(cache: Path) -> None:
    with pytest.raises(StackError, match="thing is missing"):
        built(part(lambda folder: None))
    assert not (cache / "thing-1").exists()


def test_two_builders_make_it_once(cache: Path) -> None:
    made: list[Path] = []
    begun, go_on = threading.Event(), threading.Event()

    def make(folder: Path) -> None:
        made.append(folder)
        begun.set()
        go_on.wait(10)
        (folder / "thing").touch()

    results: list[Path | None] = []
    builders = [threading.Thread(target=lambda: results.append(built(part(make)))) for _ in range(2)]
    builders[0].start()
    assert begun.wait(10)
    builders[1].start()
    go_on.set()
    for builder in builders:
        builder.join(10)
    assert len(made) == 1
    assert results == [cache / "thing-1" / "thing"] * 2


def test_a_failed_program_is_shown_with_the_end_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = (
        "import sys; print('all fine'); print('ERROR: no space left on device'); print('bye'); sys.exit(3)"
    )
    with pytest.raises(StackError, match=r"failed: ERROR: no space left on device \(all of it: .*log\)"):
        run_logged([sys.executable, "-c", script], {}, log, lambda: None)
    assert "all fine" in log.read_text()


def test_the_tail_of_a_log_is_one_short_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert log_tail(log) == "it wrote nothing"
    log.write_text("".join(f"line {number}\n" for number in range(10_000)))
    assert log_tail(log) == "line 9997 | line 9998 | line 9999"
    log.write_text("error " + "x" * 5_000)
    assert len(log_tail(log)) == 600


def test_a_lock_that_stays_held_is_said_to_be(tmp_path: Path) -> None:
    with (
        file_lock(tmp_path / "lock", what="first", seconds=0),
        pytest.raises(StackError, match="somebody else is at it"),
        file_lock(tmp_path / "lock", what="somebody else is at it", seconds=0.1),
    ):
        pass


def test_jars_without_a_word_on_their_archive_are_fetched_again() -> None:
    assert KAFKA.proof == kafka_classes.LOG


def test_kafka_works_without_an_archive_of_its_classes(tmp_path: Path) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'no CDS in this Java'\nexit 1\n")
    java.chmod(0o755)
    kafka_classes.archive(tmp_path, java)
    assert "no CDS in this Java" in (tmp_path / kafka_classes.LOG).read_text()
    paths = StackPaths(tmp_path / "data")
    ports = dict.fromkeys(kafka.PORTS, 1)
    assert "jsa" not in str(kafka.service(paths, ports, java=java, lib=tmp_path).argv)
    kafka.archive_of(tmp_path).touch()
    assert (
        f"-XX:SharedArchiveFile={tmp_path}/classes.jsa"
        in kafka.service(paths, ports, java=java, lib=tmp_path).argv
    )
