"""An export file with broken lines: the rest is imported, and each bad line is kept with its number."""

from __future__ import annotations

import base64
import json

from comparison import assert_equal
from conftest import OpenDesk

BAD_LINES = {
    2: b"this is no JSON",
    3: b'{"id": 17, "subject": "cut off',
    40: b'{"subject": "a ticket without a number"}',
    41: b'{"id": "seven", "created_at": 12, "updated_at": []}',
    77: b"\xff\xfe\x00\x80",
    120: b"[1, 2, 3]",
    121: b"[" * 100_000,
}


async def test_file_with_broken_lines(open_desk: OpenDesk) -> None:
    desk = open_desk()
    lines = [line.encode() for line in desk.zendesk.export()]
    tickets = len(lines)
    for number, line in BAD_LINES.items():
        lines.insert(number - 1, line)
    path = desk.data_dir / "export.ndjson"
    path.write_bytes(b"\n".join([*lines, b"", b""]))
    desk.worker()
    ended = desk.command("import", "--file", str(path), "--json")
    assert ended.returncode == 1, ended.stderr  # not all that was asked is done
    report = json.loads(ended.stdout)
    assert report["status"] == "completed"
    assert report["indexed"] == tickets
    assert report["failed"] == len(BAD_LINES)
    await assert_equal(desk)
    letters = {letter.line: letter for letter in await desk.dead_letters()}
    assert letters.keys() == BAD_LINES.keys()
    for number, line in BAD_LINES.items():
        assert base64.b64decode(letters[number].value or "") == line
        assert letters[number].import_id == report["id"]
    assert desk.comment_calls() == 0
