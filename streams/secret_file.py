"""A secret of this machine's: a file that only its owner can read, made when it is first needed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final

_ONLY_ITS_OWNER: Final = 0o600
_OTHERS: Final = 0o077


def secret_in(path: Path, new: Callable[[], str]) -> str:
    """Return the text of the file, made of ``new()`` if there is none; raises OSError."""
    if not path.exists():
        _make(path, new)
    if path.stat().st_mode & _OTHERS:
        path.chmod(_ONLY_ITS_OWNER)
    return path.read_text("ascii", errors="replace").strip()


def _make(path: Path, new: Callable[[], str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    try:
        with open(part, "x", opener=lambda name, flags: os.open(name, flags, _ONLY_ITS_OWNER)) as file:
            file.write(f"{new()}\n")
        # Another process may have been quicker: its secret is kept.
        try:
            os.link(part, path)
        except FileExistsError:
            return
    finally:
        part.unlink(missing_ok=True)
