"""Export files of several layouts, with broken rows, and of the wrong kind: only tickets are imported."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path

from comparison import assert_equal
from conftest import OpenDesk
from harness import Desk

from tests.zip_fixtures import zipped

BAD_LINES = {
    2: b"this is no JSON",
    3: b'{"id": 17, "subject": "cut off',
    40: b'{"subject": "a ticket without a number"}',
    41: b'{"id": "seven", "created_at": 12, "updated_at": []}',
    77: b"\xff\xfe\x00\x80",
    120: b"[1, 2, 3]",
    121: b"[" * 100_000,
}
LATER = "2026-11-01T00:00:00Z"


async def test_export_files(open_desk: OpenDesk) -> None:
    desk = open_desk()
    lines = [line.encode() for line in desk.zendesk.export()]
    tickets = [json.loads(line) for line in lines]
    desk.worker()

    array = desk.data_dir / "array.json"
    array.write_text(json.dumps(tickets[:50], indent=2))
    packed = desk.data_dir / "export.zip"
    packed.write_bytes(
        zipped(("export.json.gz", gzip.compress(b"\n".join(lines[50:100]).decode().encode("utf-16"))))
    )
    for path in (array, packed):
        ended = desk.command("import", "--file", str(path), "--json")
        assert ended.returncode == 0, ended.stderr
        report = json.loads(ended.stdout)
        assert (report["indexed"], report["failed"], report["tickets_total"]) == (50, 0, 50)

    rest = lines[100:]
    for number, line in BAD_LINES.items():
        rest.insert(number - 1, line)
    path = desk.data_dir / "export.ndjson"
    path.write_bytes(b"\n".join([*rest, b"", b""]))
    ended = desk.command("import", "--file", str(path), "--json")
    assert ended.returncode == 1, ended.stderr  # not all that was asked is done
    report = json.loads(ended.stdout)
    assert report["status"] == "completed"
    assert report["indexed"] == len(lines) - 100
    assert report["failed"] == len(BAD_LINES)
    letters = {letter.line: letter for letter in await desk.dead_letters()}
    assert letters.keys() == BAD_LINES.keys()
    for number, line in BAD_LINES.items():
        assert base64.b64decode(letters[number].value or "") == line
        assert letters[number].import_id == report["id"]
    assert desk.comment_calls() == 0

    known = tickets[0]["id"]
    user = {"id": known, "name": "Pat Example", "role": "end-user", "created_at": LATER, "updated_at": LATER}
    refused(desk, array, json.dumps([user]), "holds users, and no tickets: export the tickets as JSON")
    refused(desk, array, "id,subject\n1,a\n", "is a table (CSV): export the tickets as JSON")
    # A removal, an older state, and a user amid tickets: none of them changes what is there.
    old = tickets[1] | {"subject": "Older", "updated_at": "2001-01-01T00:00:00Z"}
    array.write_text(json.dumps([tickets[0] | {"status": "deleted", "updated_at": LATER}, old, user]))
    report = json.loads(desk.command("import", "--file", str(array), "--json").stdout)
    assert (report["skipped"], report["failed"], report["indexed"]) == (2, 1, 0)
    await assert_equal(desk)


def refused(desk: Desk, path: Path, text: str, says: str) -> None:
    """Import a file that is refused before anything is sent, in one line that says this."""
    before = desk.command("imports", "list", "--json").stdout
    path.write_text(text)
    for more in ([], ["--dry-run"]):
        ended = desk.command("import", "--file", str(path), *more)
        assert ended.returncode == 1
        assert says in ended.stderr and len(ended.stderr.splitlines()) == 1, ended.stderr
    assert desk.command("imports", "list", "--json").stdout == before
