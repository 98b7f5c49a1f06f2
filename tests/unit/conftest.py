"""For all unit tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from schemas.settings import PREFIX


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither variables nor a ``.env`` of whoever runs the tests, nor of tests that ran before."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
