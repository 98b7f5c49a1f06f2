"""A file's forecast: read through, and exact."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import UserError
from streams.embeddings.local import LocalProvider
from streams.embeddings.tokens import estimate_tokens
from ticketstream import cli
from ticketstream.operations.imports.forecast.file import measure_file


def line(number: int, **fields: Any) -> str:
    ticket = {
        "id": number,
        "created_at": "2024-01-01T00:00:00Z",
        "updated_at": f"2024-01-02T00:00:{number:02}Z",
        "status": "open",
        "subject": "Fire",
        "description": "It burns.",
        "requester": {"id": 1, "name": "Ann"},
        "assignee_id": 2,
        "group_id": 5,
        "organization_id": 9,
        "comments": [{"id": number, "public": True, "author_id": 1, "plain_body": "It burns."}],
    }
    return json.dumps(ticket | fields)


@pytest.fixture
def export(tmp_path: Path) -> Path:
    path = tmp_path / "export.ndjson"
    lines = [
        line(1),
        line(2),
        line(2),  # the same once more
        line(3, status="deleted"),
        line(4, comments=[{"id": n, "public": n % 2 == 0, "plain_body": "w " * 900} for n in range(4)]),
        "no ticket",
        "",
    ]
    path.write_text("\n".join(lines))
    return path


def test_a_file_with_its_comments_is_counted_exactly(export: Path) -> None:
    found = measure_file(export, LocalProvider(), connected=False)
    assert (found.tickets, found.removed, found.unreadable, found.exact) == (5, 1, 1, True)
    assert found.calls("single").total == 0
    small = estimate_tokens("Fire\n\nAnn: It burns.")
    assert found.chunks == 2 + 8
    assert found.texts == 2 + 2  # the same comment four times: two texts
    assert 2 * small + 380 < found.tokens < 2 * small + 480


def test_with_an_account_names_and_missing_comments_are_calls(export: Path) -> None:
    found = measure_file(export, LocalProvider(), connected=True)
    assert (found.comment_calls, found.people_calls, found.exact) == (0, 3, True)
    with export.open("a") as file:
        file.write(line(5, comments=None))
    found = measure_file(export, LocalProvider(), connected=True)
    assert (found.comment_calls, found.exact) == (1, False)


def test_an_empty_file_is_one_clear_line(tmp_path: Path) -> None:
    empty = tmp_path / "empty.ndjson"
    empty.write_text("\n\n")
    with pytest.raises(UserError, match="holds no tickets"):
        measure_file(empty, LocalProvider(), connected=False)


def test_a_dry_run_of_a_file_needs_no_service_at_all(
    export: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("TICKETSTREAM_DATA_DIR", str(tmp_path / "data"))
    assert cli.run(["import", "--dry-run", "--file", str(export), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["source"], shown["tickets"], shown["exact"], shown["usd"]) == ("file", 5, True, 0)
    assert cli.run(["import", "--dry-run", "--file", str(export)]) == 0
    printed = capsys.readouterr()
    assert "Nothing was started" in printed.err
    assert "cost" in printed.out
    assert cli.run(["import", "--dry-run"]) == 1
    assert "Zendesk's login is not set" in capsys.readouterr().err
