"""The data commands without services: what they print, how they end, what they load."""

from __future__ import annotations

import json
from collections.abc import Coroutine
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from schemas.errors import UnavailableError
from schemas.messages.imports import ImportRecord, ImportSpec, StageCounts
from streams.search import searcher as searching
from streams.search.hybrid import Hit, Target
from ticketstream import cli
from ticketstream.http.api.models.search import Found
from ticketstream.operations.checks import everything
from ticketstream.operations.checks.data_dir import check_data_dir
from ticketstream.operations.checks.finding import Finding, run_check
from ticketstream.operations.imports import known as imports
from ticketstream.operations.imports import waits as waiting
from ticketstream.operations.imports.attempt import Attempt
from ticketstream.operations.imports.file_feed import FileFeed
from ticketstream.operations.imports.known import KnownImport
from ticketstream.operations.imports.progress_bars import ImportProgress
from ticketstream.operations.imports.waits import Waits

NOWHERE = "127.0.0.1:9"


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Settings of an account that is not there, and none of the machine's own."""
    monkeypatch.setenv("TICKETSTREAM_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TICKETSTREAM_KAFKA__BOOTSTRAP_SERVERS", NOWHERE)
    monkeypatch.setenv("TICKETSTREAM_ZENDESK__SUBDOMAIN", "acme")


def record(**fields: Any) -> ImportRecord:
    given = {
        "id": "20260101-000000-abcd",
        "account": "acme",
        "status": "completed",
        "spec": ImportSpec(),
        "started_at": 100.0,
        "updated_at": 110.0,
        "source_ended": True,
        "fetched": 20,
        "stages": {"enrich/0": StageCounts(sent=20), "index/0": StageCounts(sent=20, vectors=40)},
    }
    return ImportRecord(**(given | fields))


def returns(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, value: Any) -> None:
    async def fake(*_: Any, **__: Any) -> Any:
        return value

    monkeypatch.setattr(module, name, fake)


@pytest.mark.parametrize(
    "arguments",
    [
        ["imports", "list"],
        ["imports", "show", "x"],
        ["imports", "resume", "x"],
        ["imports", "cancel", "x"],
        ["import"],
        ["dead-letters", "list"],
        ["dead-letters", "show", "x"],
        ["dead-letters", "retry", "x"],
        ["dead-letters", "discard", "--all"],
        ["dead-letters", "export", "x.ndjson"],
    ],
)
def test_a_kafka_that_is_away_is_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(arguments) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert printed.err.startswith(f"error: Kafka at {NOWHERE} cannot be reached")
    assert "TICKETSTREAM_KAFKA__BOOTSTRAP_SERVERS" in printed.err


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["import", "--since", "someday"], 1, "--since 'someday' is no date"),
        (["import", "--since", "3d", "--file", "x"], 2, "--since is for imports from Zendesk"),
        (["import", "--file", "missing.ndjson"], 1, "missing.ndjson cannot be read"),
        (["search", "  "], 1, "nothing to search for"),
        (["search", "x", "--limit", "0"], 2, "--limit"),
        (["search", "x"], 1, "TICKETSTREAM_WEAVIATE__HTTP_URL"),
    ],
)
def test_what_is_wrong_is_named(
    arguments: list[str], status: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(arguments) == status
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_imports_are_listed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    known = [KnownImport(record(status="running"), waiting=True), KnownImport(record())]
    returns(monkeypatch, imports, "load_imports", known)
    returns(monkeypatch, waiting, "waits_now", Waits())
    assert cli.run(["imports", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["status"], row["paused"]) for row in rows] == [("waiting", None), ("completed", None)]
    assert cli.run(["imports", "list"]) == 0
    printed = capsys.readouterr()
    assert "20260101-000000-abcd" in printed.out
    assert printed.err == ""


def test_a_pause_of_embedding_is_said_wherever_a_running_import_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = [KnownImport(record(status="running")), KnownImport(record())]
    returns(monkeypatch, imports, "load_imports", known)
    returns(monkeypatch, waiting, "waits_now", Waits("embedding is paused: the cap"))
    assert cli.run(["imports", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["paused"] for row in rows] == ["embedding is paused: the cap", None]
    assert cli.run(["imports", "list"]) == 0
    assert capsys.readouterr().err == "embedding is paused: the cap\n"
    assert cli.run(["imports", "show", "20260101-000000-abcd"]) == 0
    assert "embedding is paused: the cap" in capsys.readouterr().out
    terminal = StringIO()
    console = Console(file=terminal, force_terminal=True, width=120)
    with ImportProgress(console) as progress:
        progress.update(record(status="running"), "embedding is paused: the cap")
    assert "embedding is paused: the cap" in terminal.getvalue()


def test_an_import_is_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    returns(monkeypatch, imports, "find_import", KnownImport(record(errors=["bad [red] luck\x1b"])))
    assert cli.run(["imports", "show", "x"]) == 0
    shown = capsys.readouterr().out
    for words in ("vectors uploaded", "40", "bad [red] luck\\x1b", "embedding calls"):
        assert words in shown
    assert cli.run(["imports", "show", "x", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["vectors_uploaded"] == 40


def run_resume(monkeypatch: pytest.MonkeyPatch, outcome: ImportRecord | BaseException) -> int:
    """Run ``imports resume`` with this end."""
    from ticketstream.operations.imports import attempt as import_run

    async def fake(settings: Any, attempt: Attempt, import_id: str, *, wait: bool) -> KnownImport:
        attempt.record = record(status="running")
        if isinstance(outcome, BaseException):
            raise outcome
        return KnownImport(outcome)

    monkeypatch.setattr(import_run, "resume_import", fake)
    return cli.run(["imports", "resume", "x"])


@pytest.mark.parametrize(
    ("end", "status", "words"),
    [
        (record(), 0, "completed: 20 tickets, 20 indexed"),
        (record(unreadable=2), 1, "2 became dead letters; see `ticketstream dead-letters list`"),
        (record(status="cancelled"), 1, "was cancelled; go on with `ticketstream imports resume"),
        (record(status="failed", errors=["a", "b\nc"]), 1, "failed: b c; when this is mended"),
        (UnavailableError("Kafka is away"), 1, "goes on in the workers"),
        (KeyboardInterrupt(), 130, "goes on in the workers"),
    ],
)
def test_how_an_import_ends(
    end: ImportRecord | BaseException,
    status: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_resume(monkeypatch, end) == status
    assert words in capsys.readouterr().err


def test_what_a_stopped_file_leaves_behind() -> None:
    async def send(_: Any) -> None: ...

    one = record(spec=ImportSpec(file="/x.ndjson"), cursor="1500", source_ended=False)
    attempt = Attempt(one, FileFeed(one, send, partitions=1))
    assert "has got 1,500 rows of /x.ndjson; go on with `ticketstream imports resume" in (
        attempt.left_behind() or ""
    )
    attempt.feed.ended = True  # type: ignore[union-attr]
    assert "goes on in the workers" in (attempt.left_behind() or "")
    assert Attempt().left_behind() is None


def test_progress_is_bars_on_a_terminal_and_lines_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = 0.0
    monkeypatch.setattr("ticketstream.operations.imports.progress_bars.time.monotonic", lambda: moment)
    half = record(status="running", total=40)

    plain = StringIO()
    with ImportProgress(Console(file=plain, width=200)) as progress:
        progress.update(None)
        for moment in (1.0, 2.0, 5.0, 6.0):  # noqa: B007
            progress.update(half)
        moment = 10.0
        progress.update(half)  # nothing new: no line
        moment = 15.0
        progress.update(record(status="running", total=40, fetched=21))
    assert plain.getvalue().count("\n") == 2
    assert plain.getvalue().startswith(
        "20 of 40 tickets done, fetched 20, enriched 20, embedded 0, indexed 20, skipped 0, failed 0"
    )

    terminal = StringIO()
    with ImportProgress(Console(file=terminal, force_terminal=True, width=100)) as progress:
        progress.update(half)
    for words in ("fetched", "enriched", "embedded", "indexed", "skipped 0, failed 0", "20 of 40"):
        assert words in terminal.getvalue()


def test_hits_are_shown_without_markup_or_escapes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hit = Hit(
        ticket_id=7,
        score=0.876,
        visibility="internal",
        chunk_index=0,
        subject="[red]Boo[/red]\x1b[2J",
        status="open",
        priority="",
        tags=[],
        requester="",
        text="before " * 60 + "the kangaroo sat\n\x1b]0;title\x07" + " after" * 60,
        created_at="",
        updated_at="",
    )
    returns(monkeypatch, searching, "find", [hit])
    assert cli.run(["search", "kangaroo"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == "  1. #7  0.88  internal  open  [red]Boo[/red]\\x1b[2J"
    assert "the kangaroo sat \\x1b]0;title\\x07" in second
    assert len(second) < 260
    assert cli.run(["search", "kangaroo", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["text"] == hit.text
    returns(monkeypatch, searching, "find", [])
    assert cli.run(["search", "kangaroo"]) == 0
    assert capsys.readouterr().out == "nothing found\n"


def test_a_merged_ticket_is_shown_under_its_target_where_it_can_be_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = Hit(
        ticket_id=12,
        score=0.5,
        visibility="public",
        chunk_index=0,
        subject="Own subject",
        status="closed",
        priority="",
        tags=[],
        requester="",
        text="the kangaroo sat",
        created_at="",
        updated_at="",
        merged_into=45,
    )
    target = Target(ticket_id=45, subject="[b]Target\x1b[2J", status="open")
    returns(monkeypatch, searching, "find", [msgspec.structs.replace(alone, target=target), alone])
    assert cli.run(["search", "kangaroo"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "  1. #45  0.50  public  open  [b]Target\\x1b[2J",
        "     #12 merged into #45: the kangaroo sat",
        "  2. #12 merged into #45  0.50  public  closed  Own subject",
        "     the kangaroo sat",
    ]
    assert cli.run(["search", "kangaroo", "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert (first["ticket_id"], first["merged_into"], first["target"]["ticket_id"]) == (12, 45, 45)
    assert (second["ticket_id"], second["merged_into"], second["target"]) == (12, 45, None)
    assert Found.model_validate({"results": [first, second]})


async def test_a_check_that_breaks_or_hangs_is_a_finding() -> None:
    import asyncio

    async def breaks() -> list[Finding]:
        raise RuntimeError("boom")

    async def away() -> list[Finding]:
        raise UnavailableError("it is away: start it")

    async def hangs() -> list[Finding]:
        await asyncio.Event().wait()
        return []

    assert (await run_check("x", breaks, timeout=5))[0].message == "the check broke: RuntimeError: boom"
    assert await run_check("x", away, timeout=5) == [Finding("x", "fail", "it is away: start it")]
    assert (await run_check("x", hangs, timeout=0.01))[0].message == "no answer within 0.01 s"


def test_doctor_reports_all_that_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["doctor", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["healthy"] is False
    verdicts = {one["check"]: (one["verdict"], one["message"]) for one in found["checks"]}
    assert verdicts["settings"][0] == "ok"
    assert verdicts["kafka"][1].startswith(f"Kafka at {NOWHERE} cannot be reached")
    assert "TICKETSTREAM_WEAVIATE__HTTP_URL" in verdicts["weaviate"][1]
    assert "TICKETSTREAM_ZENDESK__OAUTH_CLIENT_ID" in verdicts["zendesk"][1]
    assert verdicts["embedding"][0] == "ok"
    assert "256 dimensions" in verdicts["embedding"][1]
    assert verdicts["data dir"][0] in ("ok", "warn")


def test_doctor_is_content_with_warnings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def found(_: Any) -> list[Finding]:
        return [Finding("workers", "warn", "none is running", "start one")]

    monkeypatch.setattr(everything, "check_everything", found)
    assert cli.run(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "warn  workers   none is running"
    assert lines[2].strip() == "→ start one"


def test_doctor_names_a_wrong_setting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TICKETSTREAM_KAFKA__PARTITIONS", "many")
    assert cli.run(["doctor"]) == 1
    assert "fail  settings  TICKETSTREAM_KAFKA__PARTITIONS" in capsys.readouterr().out


def test_data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    for free, verdict in ((10e9, "ok"), (1e9, "warn"), (1e6, "fail")):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: usage(0, 0, free))
        assert check_data_dir(tmp_path)[0].verdict == verdict
        assert check_data_dir(tmp_path / "not" / "there")[0].verdict == verdict
    assert not (tmp_path / "not").exists()
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        (found,) = check_data_dir(folder)
        assert found.verdict == "fail"
        assert "TICKETSTREAM_DATA_DIR" in found.todo


def test_ctrl_c_cancels_and_tidies_up() -> None:
    from ticketstream.cli.running import run_async

    tidied = []

    async def work() -> None:
        import asyncio
        import os
        import signal

        try:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            tidied.append(True)

    coroutine: Coroutine[Any, Any, None] = work()
    with pytest.raises(KeyboardInterrupt):
        run_async(coroutine)
    assert tidied == [True]
