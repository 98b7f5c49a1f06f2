"""The worker's process: what a person is told when it cannot start, and how it logs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agents import worker
from schemas.errors import SettingsError, StackError, UnavailableError

LOGS = """
import logging
import structlog
from agents.logs import configure_logs
configure_logs("warning", 3)
structlog.get_logger().info("not shown")
structlog.get_logger().warning("shown", ticket=7)
try:
    raise ValueError("oh")
except ValueError:
    structlog.get_logger().error("failed", exc_info=True)
logging.getLogger("weaviate").info("not shown")
logging.getLogger("weaviate").warning("a library: %s", "hello")
logging.getLogger("aiokafka.consumer").warning("not shown")
logging.getLogger("aiokafka").error("lost")
"""


def fails_with(error: Exception) -> Any:
    def fail(*_: Any) -> Any:
        raise error

    return fail


@pytest.mark.parametrize(
    ("where", "error"),
    [
        ("load_settings", SettingsError("TICKETSTREAM_KAFKA__PARTITIONS: no number")),
        ("take_slot", StackError("the data directory cannot be written")),
        ("ensure_topics", UnavailableError("Kafka at x cannot be reached")),
    ],
)
def test_what_keeps_it_from_starting_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], where: str, error: Exception
) -> None:
    monkeypatch.setattr(
        worker,
        "gc",
        SimpleNamespace(**dict.fromkeys(("collect", "freeze", "set_threshold"), lambda *_: None)),
    )
    settings = SimpleNamespace(data_dir=Path(), log_level="info")
    monkeypatch.setattr(worker, "load_settings", lambda: settings)
    monkeypatch.setattr(worker, "take_slot", lambda _: SimpleNamespace(number=0))
    monkeypatch.setattr(worker, "configure_logs", lambda *_: None)
    monkeypatch.setattr(worker, where, fails_with(error))
    assert worker.main() == 1
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"error: {error}\n")


def test_logs_are_json_lines_with_the_worker_s_number() -> None:
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", LOGS],
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""
    entries = [json.loads(line) for line in done.stderr.splitlines()]
    assert [entry["event"] for entry in entries] == ["shown", "failed", "a library: hello", "lost"]
    assert [entry["level"] for entry in entries] == ["warning", "error", "warning", "error"]
    assert {entry["worker"] for entry in entries} == {3}
    assert entries[0]["ticket"] == 7
    assert "ValueError: oh" in entries[1]["exception"]
    assert all(entry["timestamp"].endswith("Z") for entry in entries)
