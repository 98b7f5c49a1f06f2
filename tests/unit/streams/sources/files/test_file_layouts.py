"""Export files of every layout and packing: the same tickets come out; all else is refused in a line."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import UserError
from streams.sources.files import reading, unpacking, values
from streams.sources.files.reading import count_rows
from streams.sources.zendesk.export_file import BadLine, FileTicket, read_export_file
from tests.zip_fixtures import encrypted, zipped

TICKETS: list[dict[str, Any]] = [
    {
        "id": number,
        "created_at": "2024-01-01T00:00:00Z",
        "updated_at": "2024-01-02T00:00:00Z",
        "status": "open",
        "subject": f'Straße {number}: "quoted" \\ [brackets}} 日本語 😀',
        "requester_id": 7,
        "custom_fields": [{"id": 1, "value": None}, {"id": 2, "value": ["a", {}]}],
        "comments": [{"id": number, "public": True, "body": "line\nline", "author_id": 7}],
    }
    for number in range(1, 6)
]
USER = {
    "id": 802,
    "name": "Pat Example",
    "email": "pat@example.org",
    "created_at": "2024-01-01T00:00:00Z",
    "updated_at": "2026-01-02T00:00:00Z",
    "role": "end-user",
}


def dump(value: Any, **options: Any) -> str:
    return json.dumps(value, ensure_ascii=False, **options)


NDJSON = "\n".join(dump(one) for one in TICKETS) + "\n"
PAGE = {
    "tickets": TICKETS,
    "users": [{"id": 7, "name": "Ann"}],
    "count": 5,
    "next_page": None,
    "end_of_stream": True,
}
LAYOUTS = {
    "a ticket a line": NDJSON,
    "no line end at the end": NDJSON.rstrip("\n"),
    "CRLF": NDJSON.replace("\n", "\r\n"),
    "record separators": "".join(f"\x1e{line}\n" for line in NDJSON.splitlines()),
    "array": dump(TICKETS),
    "array, a ticket a line": "[\n" + ",\n".join(dump(one) for one in TICKETS) + "\n]\n",
    "array, indented": dump(TICKETS, indent=2),
    "array, CRLF": dump(TICKETS, indent="\t").replace("\n", "\r\n"),
    "an array a line": "".join(dump([one]) + "\n" for one in TICKETS),
    "array of arrays": dump([TICKETS[:2], TICKETS[2:]]),
    "objects, indented": "\n".join(dump(one, indent=4) for one in TICKETS),
    "objects on one line": "".join(dump(one) for one in TICKETS),
    "objects with blanks": " \n ".join(dump(one, indent=1) for one in TICKETS),
    "page": dump(PAGE),
    "page, indented": dump(PAGE, indent=2),
    "page, names first": dump({"meta": {}, "users": [USER], "tickets": TICKETS}, indent=2),
    "a page a line": dump({"tickets": TICKETS[:2]}) + "\n" + dump({"tickets": TICKETS[2:], "users": []}),
    "pages, indented": dump({"tickets": TICKETS[:2]}, indent=2) + dump({"tickets": TICKETS[2:]}, indent=2),
    "array of pages": dump([{"tickets": TICKETS[:2]}, {"tickets": TICKETS[2:]}]),
    "search": dump({"results": [one | {"result_type": "ticket"} for one in TICKETS], "facets": None}),
    "a ticket's answer a line": "".join(dump({"ticket": one}) + "\n" for one in TICKETS),
}
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda raw: raw,
    "gzip": gzip.compress,
    "gzip in two parts": lambda raw: gzip.compress(raw[:1]) + gzip.compress(raw[1:]),
    "zip": lambda raw: zipped(("export.json", raw)),
    "zip, the file in it nameless": lambda raw: zipped(("_.json", raw)).replace(b"_.json", b"\0.json"),
    "gzip in zip": lambda raw: zipped(("folder/export.json.gz", gzip.compress(raw))),
}


def read(path: Path, **more: Any) -> list[FileTicket | BadLine]:
    return list(read_export_file(path, account="acme", **more))


def ids(found: list[FileTicket | BadLine]) -> list[int | None]:
    return [one.change.ticket_id if isinstance(one, FileTicket) else None for one in found]


def written(tmp_path: Path, raw: bytes | str) -> Path:
    path = tmp_path / "export"
    path.write_bytes(raw.encode() if isinstance(raw, str) else raw)
    return path


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_in_every_packing_holds_the_same_tickets(
    tmp_path: Path, layout: str, packing: str
) -> None:
    for encoding in ENCODINGS if packing in ("plain", "gzip in zip") else ENCODINGS[:1]:
        path = written(tmp_path, PACKINGS[packing](LAYOUTS[layout].encode(encoding)))
        found = read(path)
        assert ids(found) == [1, 2, 3, 4, 5], (layout, encoding)
        assert count_rows(path) == 5
        for one, real in zip(found, TICKETS, strict=True):
            assert isinstance(one, FileTicket)
            assert one.change.ticket.subject == real["subject"]
            assert one.change.comments is not None and one.change.comments[0].body == "line\nline"
        assert [one.line for one in found] == [1, 2, 3, 4, 5]
        assert ids(read(path, after_line=3)) == [4, 5]


def test_a_page_brings_the_names_of_its_people(tmp_path: Path) -> None:
    for layout in ("page", "page, indented"):
        (first, *_) = read(written(tmp_path, LAYOUTS[layout]))
        assert isinstance(first, FileTicket)
        assert first.change.users is not None and first.change.users[0].name == "Ann"


def test_a_page_too_large_to_hold_is_read_ticket_by_ticket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(values, "HELD_PAGE_BYTES", 600)
    for layout in ("page, indented", "page, names first", "array of pages", "pages, indented"):
        assert ids(read(written(tmp_path, LAYOUTS[layout]))) == [1, 2, 3, 4, 5]


def rows_of_a_large_file() -> Iterator[str]:
    filler = "d" * 20_000
    for number in range(1, 1501):
        yield dump(TICKETS[0] | {"id": number, "description": filler})


@pytest.mark.parametrize("layout", ["[", '{"meta": {"has_more": false}, "tickets": ['])
def test_memory_is_bounded_whatever_the_layout(
    tmp_path: Path, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(values, "HELD_PAGE_BYTES", 1024 * 1024)
    path = tmp_path / "export.json.gz"
    with gzip.open(path, "wt", compresslevel=1) as file:
        file.write(layout)
        for place, row in enumerate(rows_of_a_large_file()):
            file.write(("," if place else "") + row)
        file.write("]}" if "{" in layout else "]")
    tracemalloc.start()
    count = sum(isinstance(one, FileTicket) for one in read_export_file(path, account="acme"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 1500 and peak < 20 * 2**20


def test_a_row_over_the_limit_is_set_aside_and_only_its_beginning_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_ROW_BYTES", 2 * 2**20)
    monkeypatch.setattr(reading, "KEPT_OF_A_TOO_LONG_ROW", 100)
    large = TICKETS[1] | {"description": 'x\\"' * 7 * 2**20}
    path = written(tmp_path, dump([TICKETS[0], large, *TICKETS[2:]]))
    tracemalloc.start()
    found = read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert ids(found) == [1, None, 3, 4, 5]
    assert (
        isinstance(found[1], BadLine)
        and "the row is over 2 MiB" in found[1].message
        and len(found[1].raw) == 100
    )
    assert peak < 16 * 2**20


@pytest.mark.parametrize("bad", ['{"id": 6, "subject": }', "[1, 2, 3]", dump(USER), "null", '"text"'])
def test_a_wrong_row_in_an_array_is_set_aside_alone(tmp_path: Path, bad: str) -> None:
    rows = [dump(one) for one in TICKETS]
    rows.insert(2, bad)
    found = read(written(tmp_path, f"[{','.join(rows)}]"))
    assert [one for one in ids(found) if one] == [1, 2, 3, 4, 5]
    assert ids(found).count(None) == 1


def test_half_a_surrogate_pair_spoils_no_row_of_utf16(tmp_path: Path) -> None:
    raw = NDJSON.encode("utf-16-le").replace("Straße 2".encode("utf-16-le"), b"\x00\xd8" * 8)
    assert ids(read(written(tmp_path, b"\xff\xfe" + raw))) == [1, 2, 3, 4, 5]


def test_files_of_an_archive_follow_each_other_and_what_is_no_ticket_is_named(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        zipped(
            ("__MACOSX/._a.json", b"\x00"),
            ("a.json", dump(TICKETS[:2], indent=2).encode()),
            ("users.json", dump(USER).encode()),
            ("b.ndjson.gz", gzip.compress("".join(dump(one) + "\n\n" for one in TICKETS[2:]).encode())),
            ("README.txt", b"Hello, reader\nof this"),
        ),
    )
    told: list[str] = []
    found = read(path, left_out=told.append)
    assert ids(found) == [1, 2, 3, 4, 5]
    assert [one.line for one in found] == [1, 2, 3, 5, 7]
    assert ids(read(path, after_line=3)) == [4, 5]
    assert len(told) == 2 and f"users.json in {path} holds users" in told[0] and "README.txt" in told[1]


def office(kind: str) -> bytes:
    return zipped(("[Content_Types].xml", b"<Types/>"), (f"{kind}/workbook.xml", b"<x/>"))


def tarred() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("export.json"), io.BytesIO(b""))
    return file.getvalue()


CSV = "Summation column,Id,Requester,Subject,Status\n1,802,Pat,Hello,Open\n1,803,Pat,Hello,Open\n"
XML = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<tickets type="array"><ticket><id>802</id></ticket></tickets>\n'
)
ORGANIZATION = {"id": 5, "name": "Acme", "domain_names": [], "created_at": "", "updated_at": ""}
REFUSED: dict[str, tuple[bytes | str, str]] = {
    "users": (
        dump(USER) + "\n" + dump(USER | {"id": 803}),
        "holds users, and no tickets: export the tickets",
    ),
    "users, array": (dump([USER, USER], indent=1), "holds users, and no tickets"),
    "users, page": (dump({"users": [USER], "count": 1}), "holds users, and no tickets"),
    "users, packed": (gzip.compress(dump(USER).encode("utf-16")), "holds users, and no tickets"),
    "users, zip": (zipped(("users.json", dump(USER).encode())), "holds users, and no tickets"),
    "organizations": (dump(ORGANIZATION), "holds organizations, and no tickets"),
    "both": (dump(USER) + "\n" + dump(ORGANIZATION), "holds users and organizations, and no tickets"),
    "other JSON": ('{"name": "x", "version": "1", "dependencies": {}}', "and no tickets"),
    "a number": ("12\n", "text, and no JSON"),
    "numbers": ("[1, 2, 3]", "holds no tickets that can be read"),
    "a package": (dump({"a": {"b": [1, 2]}}, indent=2), "holds other records, and no tickets"),
    "CSV": (CSV, "a table (CSV): export the tickets as JSON"),
    "CSV, semicolons": (CSV.replace(",", ";"), "a table (CSV)"),
    "CSV, UTF-16": (CSV.replace(",", "\t").encode("utf-16"), "a table (CSV)"),
    "CSV, zip": (zipped(("tickets.csv", CSV.encode())), "a table (CSV)"),
    "XML": (XML, "is XML: export the tickets as JSON"),
    "XML, UTF-16": (XML.encode("utf-16"), "is XML"),
    "HTML": ("<!DOCTYPE html>\n<html><body>Sign in</body></html>", "a web page (HTML)"),
    "xlsx": (office("xl"), "a spreadsheet or another Office document"),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "an old Office document"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF document"),
    "tar": (tarred(), "a tar archive: unpack it"),
    "tar, gzip": (gzip.compress(tarred()), "a tar archive: unpack it"),
    "bzip2": (b"BZh91AY&SY", "packed with bzip2: unpack it"),
    "xz": (b"\xfd7zXZ\x00\x00", "packed with xz"),
    "7z": (b"7z\xbc\xaf\x27\x1c\x00", "a 7-Zip archive"),
    "a picture": (b"\x89PNG\r\n\x1a\n", "a picture"),
    "text": ("Dear all\nthe tickets are in the other file\n", "text, and no JSON"),
    "binary": (bytes(range(1, 200)) * 10, "binary data, and no JSON"),
    "zeros": (bytes(5000), "binary data"),
    "empty": ("", "it is empty"),
    "blank": (" \n\t\r\n", "it is empty"),
    "empty array": ("[]", "it is empty, or an export of nothing"),
    "empty page": ('{"tickets": [], "after_cursor": null, "end_of_stream": true}', "an export of nothing"),
    "empty zip": (zipped(), "it is empty"),
    "zip of nothing": (zipped(("a.json", b"")), "it is empty"),
    "zip in zip": (zipped(("a.zip", zipped(("b.json", NDJSON.encode())))), "is a zip archive too"),
    "gzip in gzip": (gzip.compress(gzip.compress(NDJSON.encode())), "packed twice"),
    "zip in gzip": (gzip.compress(zipped(("a.json", NDJSON.encode()))), "packed twice"),
    "encrypted zip": (encrypted(zipped(("a.json", NDJSON.encode()))), "is encrypted"),
    "zip packed by bzip2": (
        zipped(("a.json", NDJSON.encode()), method=zipfile.ZIP_BZIP2),
        "packed in a way that is not read",
    ),
    "zip cut off": (zipped(("a.json", NDJSON.encode()))[:-30], "is damaged"),
    "array cut off": (dump(TICKETS)[:-40], "is cut off or damaged after row 4"),
    "array cut off in its first row": (dump(TICKETS)[:40], "it is cut off or damaged"),
    "array closed twice": (dump(TICKETS) + "]", "']' closes nothing"),
    "UTF-16 cut off": (NDJSON.encode("utf-16")[:-1], "is no UTF-16 text"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_read_is_refused_in_one_line(tmp_path: Path, what: str) -> None:
    raw, says = REFUSED[what]
    path = written(tmp_path, raw)
    for attempt in (read, count_rows):
        with pytest.raises(UserError) as caught:
            attempt(path)
        text = str(caught.value)
        assert says in text and str(path) in text and "\n" not in text


def test_a_pipe_or_a_folder_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="is a pipe or device"):
        read(tmp_path / "pipe")
    with pytest.raises(UserError, match="is a directory"):
        read(tmp_path)


def test_what_unpacks_to_far_more_than_a_packer_can_pack_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "ALWAYS_UNPACKED", 2**20)
    inner = gzip.compress(NDJSON.encode() + b"\n" * 20_000_000)
    with pytest.raises(UserError, match="unpacks to over 1,100 times its size"):
        count_rows(written(tmp_path, zipped(("bomb.json.gz", inner))))


@pytest.mark.parametrize("layout", ["array", "page", "page, indented", "a page a line", "an array a line"])
def test_a_text_that_none_can_be_spoils_its_own_row_of_a_page_alone(tmp_path: Path, layout: str) -> None:
    path = written(tmp_path, LAYOUTS[layout].replace("Straße 2", "\\ud800"))
    found = read(path)
    assert [one for one in ids(found) if one not in (None, 2)] == [1, 3, 4, 5]
    assert len(found) == 5
