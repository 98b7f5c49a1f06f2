"""The command line's frame: exit statuses, one line for every error, JSON and tables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
import typer

from schemas.errors import SettingsError, UnavailableError
from ticketstream import cli
from ticketstream.terminal.output import fail, print_json, size, table


def outcome(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException | None
) -> tuple[int, str]:
    """Run a command that raises this and return the exit status and what stderr got."""
    app = typer.Typer()

    @app.callback()
    def root() -> None:
        """Make a group of it."""

    @app.command()
    def go() -> None:
        if error:
            raise error

    monkeypatch.setattr(cli, "build_app", lambda: app)
    return cli.run(["go"]), capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (None, 0, ""),
        (SettingsError("no [red]Kafka[/red]: set\nIT"), 1, "error: no [red]Kafka[/red]: set IT\n"),
        (UnavailableError("Weaviate is away"), 1, "error: Weaviate is away\n"),
        (PermissionError(13, "Permission denied", "/etc/x"), 1, "error: Permission denied: /etc/x\n"),
        (KeyboardInterrupt(), 130, "error: stopped by Ctrl-C\n"),
        (typer.Abort(), 130, "error: stopped by Ctrl-C\n"),
        (typer.Exit(3), 3, ""),
        (
            typer.BadParameter("not a date"),
            2,
            "error: Invalid value: not a date (see `ticketstream go --help`)\n",
        ),
    ],
)
def test_every_end_has_its_status_and_at_most_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException | None,
    status: int,
    line: str,
) -> None:
    assert outcome(monkeypatch, capsys, error) == (status, line)


def test_fail_prints_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught:
        fail("it is [bold]broken[/bold]", 4)
    assert caught.value.exit_code == 4
    assert capsys.readouterr().err == "error: it is [bold]broken[/bold]\n"


@pytest.mark.parametrize("arguments", [["no-such-command"], ["--no-such-option"], ["up", "--tickets", "x"]])
def test_wrong_usage_is_status_2_and_says_where_help_is(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(arguments) == 2
    line = capsys.readouterr().err
    assert line.startswith("error: ")
    assert "--help`)" in line
    assert line.count("\n") == 1


def test_help_lists_all_commands_and_loads_nothing_slow() -> None:
    script = (
        "import sys; from ticketstream.cli import run; code = run(['--help']);"
        "print([name for name in ('faust', 'weaviate', 'google.genai', 'pydantic', 'httpx', 'aiokafka')"
        " if name in sys.modules]); sys.exit(code)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    listed = result.stdout.splitlines()
    assert listed[-1] == "[]"
    for command in ("up", "down", "status"):
        assert any(line.split()[:1] == [command] and len(line.split()) > 2 for line in listed)


def test_a_reader_that_goes_away_is_no_traceback(tmp_path: Path) -> None:
    script = (
        "from ticketstream import cli; import typer; app = typer.Typer()\n"
        "@app.command()\n"
        "def go():\n"
        "    for number in range(100_000): print('line', number)\n"
        "cli.build_app = lambda: app\n"
        "cli.main([])\n"
    )
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=writer, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    os.close(writer)
    os.close(reader)
    assert process.communicate(timeout=30)[1] == ""
    assert process.returncode != 0


class _Thing(msgspec.Struct):
    when: datetime
    where: Path


def test_json_is_one_document_with_dates_and_paths(capsys: pytest.CaptureFixture[str]) -> None:
    when = datetime(2026, 1, 2, tzinfo=UTC)
    print_json({"thing": _Thing(when, Path("/x")), "list": [_Thing(when, Path("/y"))], 1: "é"})
    assert json.loads(capsys.readouterr().out) == {
        "thing": {"when": "2026-01-02T00:00:00Z", "where": "/x"},
        "list": [{"when": "2026-01-02T00:00:00Z", "where": "/y"}],
        "1": "é",
    }


def test_table_cells_are_text_and_long_ones_stay_on_their_line(capsys: pytest.CaptureFixture[str]) -> None:
    table(("what", "count"), [("[red]x[/red]", 1234), ("y" * 120, None)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "[red]x[/red]" in lines[1]
    assert lines[1].rstrip().endswith("1,234")
    table(("what",), [], empty="nothing here")
    assert capsys.readouterr().out == "nothing here\n"


def test_sizes_are_readable() -> None:
    assert [size(999), size(12_345), size(3.2e9)] == ["999 B", "12.3 kB", "3.2 GB"]
