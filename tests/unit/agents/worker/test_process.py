"""The worker's process: what a person is told when it cannot start."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agents.worker import process as worker
from schemas.errors import SettingsError, StackError, UnavailableError


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
    monkeypatch.setattr(worker, "log_uncaught", lambda: None)
    monkeypatch.setattr(worker, where, fails_with(error))
    assert worker.main() == 1
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"error: {error}\n")
