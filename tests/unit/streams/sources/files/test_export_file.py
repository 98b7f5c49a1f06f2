"""Zendesk's NDJSON export as a file."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.errors import UserError
from streams.sources.files import reading
from streams.sources.files.reading import count_rows
from streams.sources.zendesk.export_file import BadLine, FileTicket, read_export_file

ROW = {
    "id": 1,
    "created_at": "2024-01-01T00:00:00Z",
    "updated_at": "2024-01-02T00:00:00Z",
    "status": "open",
}


def row(**fields: Any) -> bytes:
    return msgspec.json.encode({**ROW, **fields})


def written(path: Path, *lines: bytes, end: bytes = b"\n") -> Path:
    path.write_bytes(b"\n".join(lines) + end)
    return path


def read(path: Path, **more: Any) -> list[FileTicket | BadLine]:
    return list(read_export_file(path, account="acme", **more))


def ids(found: list[FileTicket | BadLine]) -> list[tuple[int, int | None]]:
    return [(one.line, one.change.ticket_id if isinstance(one, FileTicket) else None) for one in found]


def test_a_line_is_a_ticket_with_comments_and_names(tmp_path: Path) -> None:
    line = row(
        requester={"id": 7, "name": "Ann", "email": "ann@example.org", "photo": None},
        submitter={"id": 8, "name": None},
        assignee=None,
        organization={"id": 9, "name": "Acme Ltd"},
        group={"id": 10, "name": "Support"},
        comments=[{"id": 5, "public": False, "body": "hi", "author_id": 7}],
    )
    (found,) = read(written(tmp_path / "x.ndjson", line), import_id="i7")
    assert isinstance(found, FileTicket)
    change = found.change
    assert (change.source, change.import_id, change.version) == ("file", "i7", 1704153600)
    assert change.comments is not None and change.comments[0].body == "hi"
    assert change.users is not None and {one.id: one.name for one in change.users} == {7: "Ann", 8: ""}
    assert (change.ticket.requester_id, change.ticket.submitter_id, change.ticket.assignee_id) == (7, 8, None)
    assert (change.ticket.organization_id, change.ticket.group_id) == (9, 10)
    assert (change.organization, change.group) == ("Acme Ltd", "Support")
    assert type(change.ticket).__name__ == "Ticket"


def test_a_bare_row_of_the_api_has_no_comments(tmp_path: Path) -> None:
    (found,) = read(written(tmp_path / "x.ndjson", row(requester_id=7, generated_timestamp=99)))
    assert isinstance(found, FileTicket)
    assert found.change.comments is None and found.change.users is None
    assert found.change.ticket.requester_id == 7 and found.change.version == 99


def test_bad_lines_are_told_with_number_and_bytes_and_the_rest_is_read(tmp_path: Path) -> None:
    path = written(
        tmp_path / "x.ndjson",
        b"\xef\xbb\xbf" + row(id=1),
        b"",
        b"  \t ",
        b"{cut",
        row(id=2) + b"\r",
        b'{"id": 3}',
        b"\xff\xfe\x00",
        b'{"x":' + b"[" * 50_000,
        row(comments=["no comment"]),
        row(id=4),
        end=b"",
    )
    found = read(path)
    assert ids(found) == [(1, 1), (4, None), (5, 2), (6, None), (7, None), (8, None), (9, None), (10, 4)]
    bad = [one for one in found if isinstance(one, BadLine)]
    assert bad[0].raw == b"{cut" and bad[0].message.startswith("not a ticket of Zendesk")
    assert all("\n" not in one.message for one in bad)
    assert count_rows(path) == len(found)


def test_reading_goes_on_after_a_line(tmp_path: Path) -> None:
    path = written(tmp_path / "x.ndjson", row(id=1), b"", row(id=2), b"bad", row(id=3))
    assert ids(read(path, after_line=3)) == [(4, None), (5, 3)]
    assert read(path, after_line=5) == []


def test_a_line_that_is_too_long_is_a_bad_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = len(row(id=1)) + 20
    monkeypatch.setattr(reading, "MAX_ROW_BYTES", limit)
    monkeypatch.setattr(reading, "KEPT_OF_A_TOO_LONG_ROW", 10)
    exact = row(id=2, subject="")
    exact = row(id=2, subject="x" * (limit - 1 - len(exact)))
    path = written(
        tmp_path / "x.ndjson", row(id=1), row(subject="y" * 9 * 2**20), exact, b"z" * (limit + 1), row(id=3)
    )
    found = read(path)
    assert ids(found) == [(1, 1), (2, None), (3, 2), (4, None), (5, 3)]
    assert isinstance(found[1], BadLine) and len(found[1].raw) == 10 and "MiB" in found[1].message


def test_memory_is_bounded_by_a_line(tmp_path: Path) -> None:
    path = tmp_path / "x.ndjson"
    with path.open("wb") as file:
        for number in range(1, 2001):
            file.write(row(id=number, description="d" * 20_000) + b"\n")
    tracemalloc.start()
    count = sum(isinstance(one, FileTicket) for one in read_export_file(path, account="acme"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 2000 and peak < 4 * 2**20


def test_a_packed_file_is_read_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    path.write_bytes(gzip.compress(row(id=1) + b"\n" + row(id=2)))
    assert ids(read(path)) == [(1, 1), (2, 2)]
    assert count_rows(path) == 2


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no tickets: it is empty"):
        read(written(tmp_path / "x", end=b""))


def test_a_file_that_cannot_be_read_is_one_clear_line(tmp_path: Path) -> None:
    whole = gzip.compress(b"\n".join(row(id=n, subject="x" * n) for n in range(1, 5)) + b"\n" * 100_000)
    cut = tmp_path / "cut.gz"
    cut.write_bytes(whole[: len(whole) // 2])
    broken = tmp_path / "broken.gz"
    broken.write_bytes(b"\x1f\x8bnothing of the kind")
    for path, says in (
        (tmp_path / "missing.ndjson", "cannot be read: No such file"),
        (tmp_path, "cannot be read: it is a directory"),
        (cut, "is damaged after row"),
        (broken, "is damaged after row 0"),
    ):
        for attempt in (read, count_rows):
            with pytest.raises(UserError, match=says) as caught:
                attempt(path)
            assert str(path) in str(caught.value) and "\n" not in str(caught.value)
