"""``ticketstream demo``, run once as a person would, with few tickets."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from schemas.errors import StackError
from ticketstream.demo.workers import DemoWorkers

TICKETS = 120


def test_the_demo_does_what_it_tells(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TICKETSTREAM_")}
    if "TICKETSTREAM_CACHE_DIR" in os.environ:
        environment["TICKETSTREAM_CACHE_DIR"] = os.environ["TICKETSTREAM_CACHE_DIR"]
    environment["TICKETSTREAM_DATA_DIR"] = str(tmp_path / "data")
    # An account of the user's, which the demo must not meet.
    environment["TICKETSTREAM_ZENDESK__BASE_URL"] = "http://127.0.0.1:9"
    ended = subprocess.run(
        [sys.executable, "-m", "ticketstream", "demo", "--tickets", str(TICKETS), "--json"],
        env=environment,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert told["tickets"] == TICKETS
    assert 0.9 * TICKETS < told["searchable_tickets"] <= TICKETS
    assert told["chunks"] >= told["searchable_tickets"]
    first, second = told["imports"]
    assert first["tickets"] >= TICKETS
    assert first["failed"] == second["failed"] == 0
    assert first["vectors_uploaded"] == told["chunks"]
    assert second["duplicates_skipped"] == second["tickets"]
    assert second["embedding_calls"] == second["vectors_uploaded"] == 0
    assert told["duplicates_skipped"] >= TICKETS
    assert told["dead_letters"] == told["worker_restarts"] == 0

    zendesk, embedding = told["api_calls"]["zendesk"], told["api_calls"]["embedding"]
    assert zendesk["refused"] == embedding["refused"] == 0
    assert 0.9 * TICKETS < zendesk["general"]["used"] < 2 * TICKETS
    # A minute's quota, and nothing saved up: whatever the time, not more than its part (and one page).
    assert zendesk["general"]["share_of_quota"] < 1.05
    assert embedding["texts"] >= told["chunks"] * 0.9
    assert 0 < embedding["calls"]["used"] < embedding["texts"] / 4

    changes = told["changes"]
    assert [each["change"] for each in changes] == ["comment added", "status solved", "ticket deleted"]
    assert all(0 < each["seconds"] < 60 for each in changes)
    assert len(told["questions"]) == 3
    assert all(each["hits"] for each in told["questions"])
    deleted = changes[2]["ticket_id"]
    assert deleted not in {hit["ticket_id"] for each in told["questions"] for hit in each["hits"]}

    assert "3. Import it once more" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "data").exists()
    assert not [process for process in psutil.process_iter() if belongs_to(process, tmp_path)]


def belongs_to(process: psutil.Process, folder: Path) -> bool:
    """Say whether a process works in the folder or names it."""
    try:
        return any(str(folder) in word for word in (process.cwd(), *process.cmdline()))
    except psutil.Error:
        return False


async def test_workers_that_end_are_told_and_stopped(tmp_path: Path) -> None:
    environment = {"TICKETSTREAM_DATA_DIR": str(tmp_path), "TICKETSTREAM_KAFKA__PARTITIONS": "none"}
    workers = DemoWorkers(1, environment, tmp_path, tmp_path / "workers.log")
    workers.start()
    try:
        async with asyncio.timeout(60):
            while len(workers.deaths) < 2:  # it is started again, and writes to the same log
                await asyncio.sleep(0.05)
        with pytest.raises(StackError, match=r"worker \d+ ended .*TICKETSTREAM_KAFKA__PARTITIONS"):
            await workers.ready("127.0.0.1:1", lambda step, detail: None)
    finally:
        workers.stop()
    assert (tmp_path / "workers.log").read_text().count("error: ") >= 2
