"""The data commands on a real stack: imports, files, going on, cancelling, dead letters, search, doctor."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from harness import Desk, until
from stacks import Stacks

from schemas.messages.imports import ImportCommand, ImportSpec
from schemas.topics import BACKFILL
from streams.kafka.messages import Record
from streams.kafka.partitions import partition_of
from ticketstream.operations.imports.commands import command_record, new_import_id
from ticketstream.operations.imports.file_feed import BATCH_ROWS, FileFeed
from ticketstream.operations.imports.known import find_import

TICKETS = 60
TIME = "2026-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def desk(stacks: Stacks) -> Iterator[Desk]:
    """A desk of this module: its files and poison would spoil the account that other tests compare."""
    with stacks.desk(TICKETS) as desk:
        desk.log_in_by_client(10)
        yield desk


def asked(desk: Desk, *arguments: str, status: int = 0) -> Any:
    """Run a command with --json and return what it printed."""
    done = desk.command(*arguments, "--json")
    assert done.returncode == status, (arguments, done.stderr)
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout)


def export_line(number: int, word: str = "kangaroo") -> str:
    """Return a ticket as Zendesk's export has it, with one comment and its author."""
    requester = {"id": 5, "name": "Ada"}
    comment = {"id": number, "public": True, "author_id": 5, "plain_body": f"the {word} number {number} hums"}
    return json.dumps(
        {
            "id": number,
            "created_at": TIME,
            "updated_at": TIME,
            "status": "open",
            "subject": f"About {word} {number}",
            "tags": ["from_file"],
            "requester": requester,
            "comments": [comment],
        }
    )


def started(desk: Desk, *arguments: str) -> subprocess.Popen[str]:
    """Start a command and leave it running."""
    return subprocess.Popen(
        [sys.executable, "-m", "ticketstream", *arguments],
        env=desk.environment,
        cwd=desk.data_dir,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_without_a_worker(desk: Desk) -> None:
    """The start waits on Kafka, and everybody says that nobody works."""
    done = desk.command("import", "--no-wait", "--json")
    assert done.returncode == 0
    import_id = json.loads(done.stdout)["id"]
    assert "no worker is running: start one with `ticketstream worker`" in done.stderr
    assert asked(desk, "imports", "show", import_id)["status"] == "waiting"
    assert [row["id"] for row in asked(desk, "imports", "list")] == [import_id]
    health = asked(desk, "doctor")
    verdicts = {one["check"]: one["verdict"] for one in health["checks"]}
    assert health["healthy"] is True
    assert verdicts["workers"] == "warn"
    assert {verdicts[name] for name in ("kafka", "topics", "weaviate", "zendesk", "embedding")} == {"ok"}


def test_a_waiting_import_is_done_when_a_worker_comes(desk: Desk) -> None:
    desk.worker()
    (waiting,) = asked(desk, "imports", "list")
    record = asked(desk, "imports", "resume", waiting["id"])
    tickets = desk.zendesk.health()["tickets"]
    assert record["status"] == "completed"
    assert record["indexed"] == tickets
    assert record["tickets_done"] == record["tickets_total"] >= tickets
    assert record["api_calls"]["zendesk"] >= 1
    assert record["vectors_uploaded"] > 0
    again = desk.command("imports", "resume", waiting["id"])
    assert again.returncode == 0
    assert "has already ended" in again.stderr
    cancelled = desk.command("imports", "cancel", waiting["id"])
    assert cancelled.returncode == 1
    assert cancelled.stderr.count("\n") == 1
    assert "it is completed" in cancelled.stderr


def test_a_second_import_skips_everything(desk: Desk) -> None:
    record = asked(desk, "import", "--since", "30000d")
    assert record["status"] == "completed"
    assert (record["indexed"], record["failed"]) == (0, 0)
    assert record["skipped"] == record["fetched"] > 0
    assert record["api_calls"]["embedding"] == 0


def test_doctor_and_search_on_what_was_imported(desk: Desk) -> None:
    assert {one["verdict"] for one in asked(desk, "doctor")["checks"]} == {"ok"}
    hits = asked(desk, "search", "my parcel has not arrived", "--limit", "3", "--public-only")
    assert 1 <= len(hits) <= 3
    assert {hit["visibility"] for hit in hits} == {"public"}
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)
    assert asked(desk, "search", "anything", "--tag", "no_such_tag") == []


def test_a_file_with_bad_lines(desk: Desk, tmp_path: Path) -> None:
    lines = [export_line(900_000 + number) for number in range(1, 601)]
    lines[9] = '{"id": 12, "broken": \x1b[31m'
    lines[550] = "[]"
    file = tmp_path / "export.ndjson"
    file.write_text("\n".join(lines) + "\n\n")
    done = desk.command("import", "--file", str(file), "--json")
    assert done.returncode == 1
    assert "2 became dead letters; see `ticketstream dead-letters list`" in done.stderr
    record = json.loads(done.stdout)
    assert record["status"] == "completed"
    assert (record["fetched"], record["indexed"], record["failed"]) == (598, 598, 2)
    assert record["tickets_done"] == record["tickets_total"] == 600
    assert record["file"] == str(file)

    found = asked(desk, "dead-letters", "list")
    assert found["total"] == 2
    assert [(one["reason"], one["count"]) for one in found["reasons"]] == [("source/DecodeError", 2)]
    assert sorted(one["line"] for one in found["dead_letters"]) == [10, 551]
    letter = next(one for one in found["dead_letters"] if one["line"] == 10)
    shown = asked(desk, "dead-letters", "show", letter["id"])
    assert base64.b64decode(shown["value"]).decode() == lines[9]
    plain = desk.command("dead-letters", "show", letter["id"])
    assert plain.returncode == 0
    assert "\x1b" not in plain.stdout
    assert '{"id": 12, "broken": \\x1b[31m' in plain.stdout

    hits = asked(desk, "search", "kangaroo number 900577", "--tag", "from_file", "--status", "open")
    assert len(hits) == 10
    assert all(hit["requester"] == "Ada" and "kangaroo" in hit["text"] for hit in hits)


async def test_a_poison_message_becomes_a_dead_letter_of_its_offset(desk: Desk) -> None:
    key = b"acme:1"
    await desk.send(
        Record(BACKFILL, partition_of(key, desk.partitions), key, b"\xff\x00 poison", [("schema", b"x/9")])
    )

    async def arrived() -> bool:
        return any(letter.topic == BACKFILL for letter in await desk.dead_letters())

    await until(arrived, 30, "a dead letter of the poison")
    newest = asked(desk, "dead-letters", "list", "--limit", "1")["dead_letters"][0]
    assert (newest["topic"], newest["error_type"]) == (BACKFILL, "UnknownSchemaError")
    plain = desk.command("dead-letters", "show", newest["id"]).stdout
    assert "ff 00 20 70 6f 69 73 6f 6e" in plain


async def test_ctrl_c_leaves_an_import_to_the_workers(desk: Desk) -> None:
    desk.stop_workers()
    command = started(desk, "import")
    assert command.stderr is not None
    heard = ""
    while " started" not in heard:
        line = command.stderr.readline()
        assert line, heard
        heard += line
    import_id = heard.split(" started")[0].split()[-1]
    assert command.stderr.readline()  # it waits for the workers, and says so
    try:
        command.send_signal(signal.SIGINT)
        _, rest = command.communicate(timeout=30)
    finally:
        desk.worker()  # the tests after this one need it
    assert command.returncode == 130
    assert f"import {import_id} goes on in the workers: see `ticketstream imports show {import_id}`" in rest
    assert "Traceback" not in rest
    record = await desk.import_state(import_id)
    assert (record.status, record.failed) == ("completed", 0)
    assert record.skipped == record.fetched > 0


async def test_a_file_goes_on_where_its_command_died(desk: Desk, tmp_path: Path) -> None:
    lines = [export_line(2_000_000 + number, "walrus") for number in range(1, 601)]
    file = tmp_path / "export.ndjson"
    file.write_text("\n".join(lines) + "\n")
    import_id = await begin_file_import(desk, file, len(lines))
    record = (await find_import(desk.settings.cluster, import_id)).record
    async with desk.producer() as producer:
        sent = 0

        async def dies_after_a_batch(records: Sequence[Record]) -> None:
            nonlocal sent
            if sent == 2:
                raise KeyboardInterrupt
            await producer.send(records)
            sent += 1

        with pytest.raises(KeyboardInterrupt):
            await FileFeed(record, dies_after_a_batch, partitions=desk.partitions).run()
    await desk.import_state(import_id, lambda record: record.cursor == str(BATCH_ROWS))
    done = asked(desk, "imports", "resume", import_id)
    assert done["status"] == "completed"
    assert (done["fetched"], done["indexed"], done["skipped"], done["failed"]) == (600, 600, 0, 0)
    assert done["tickets_done"] == 600


async def test_an_import_is_cancelled_and_resumed(desk: Desk, tmp_path: Path) -> None:
    lines = [export_line(3_000_000 + number, "heron") for number in range(1, 41)]
    file = tmp_path / "export.ndjson"
    file.write_text("\n".join(lines) + "\n")
    import_id = await begin_file_import(desk, file, len(lines))
    await desk.import_state(import_id, lambda record: record.status == "running")
    assert asked(desk, "imports", "cancel", import_id)["status"] == "cancelled"
    assert asked(desk, "imports", "show", import_id)["status"] == "cancelled"
    file.rename(tmp_path / "elsewhere")
    gone = desk.command("imports", "resume", import_id)
    assert gone.returncode == 1
    assert f"{file} cannot be read" in gone.stderr
    (tmp_path / "elsewhere").rename(file)
    record = asked(desk, "imports", "resume", import_id)
    assert (record["status"], record["indexed"], record["failed"]) == ("completed", len(lines), 0)


async def begin_file_import(desk: Desk, file: Path, total: int) -> str:
    """Start a file's import as a command line does that dies right afterwards."""
    import_id = new_import_id()
    command = ImportCommand(
        command="start",
        account=desk.account,
        import_id=import_id,
        issued_at=time.time(),
        spec=ImportSpec(file=str(file)),
        total=total,
    )
    await desk.send(command_record(command, desk.partitions))
    return import_id


def test_a_wrong_login_starts_nothing(desk: Desk) -> None:
    before = len(asked(desk, "imports", "list"))
    own = desk.environment
    desk.environment = own | {"TICKETSTREAM_ZENDESK__OAUTH_CLIENT_SECRET": "wrong"}
    try:
        done = desk.command("import")
        health = asked(desk, "doctor", status=1)
    finally:
        desk.environment = own
    assert done.returncode == 1
    assert "TICKETSTREAM_ZENDESK__OAUTH_CLIENT_SECRET" in done.stderr
    assert done.stderr.count("\n") == 1
    assert len(asked(desk, "imports", "list")) == before
    assert [one["check"] for one in health["checks"] if one["verdict"] == "fail"] == ["zendesk"]


def test_a_weaviate_that_is_away(desk: Desk) -> None:
    own = desk.environment
    desk.environment = own | {
        "TICKETSTREAM_WEAVIATE__HTTP_URL": "http://127.0.0.1:9",
        "TICKETSTREAM_WEAVIATE__GRPC_URL": "grpc://127.0.0.1:10",
    }
    try:
        done = desk.command("search", "anything")
        health = asked(desk, "doctor", status=1)
    finally:
        desk.environment = own
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "TICKETSTREAM_WEAVIATE__HTTP_URL" in done.stderr
    assert [one["check"] for one in health["checks"] if one["verdict"] == "fail"] == ["weaviate"]
