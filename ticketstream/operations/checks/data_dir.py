"""Whether the data directory can be written, and has room."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from schemas.settings.load import PREFIX
from ticketstream.operations.checks.finding import Finding

_LITTLE: Final = 2_000_000_000
_TOO_LITTLE: Final = 200_000_000


def check_data_dir(folder: Path) -> list[Finding]:
    """Write a file there; a directory that does not exist yet is looked at through its parent."""
    elsewhere = f"free some space, or set {PREFIX}DATA_DIR to another directory"
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        if place == folder:
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"x" * 4096)
                file.flush()
        elif not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
            return [Finding("data dir", "fail", f"{folder} cannot be made in {place}", elsewhere)]
        free = shutil.disk_usage(place).free
    except OSError as error:
        message = f"{folder} cannot be written: {error.strerror or error}"
        return [Finding("data dir", "fail", message, elsewhere)]
    told = f"{folder} can be used, {free / 1e9:,.1f} GB are free"
    if free < _TOO_LITTLE:
        return [Finding("data dir", "fail", f"{told}, too little to work", elsewhere)]
    if free < _LITTLE:
        return [Finding("data dir", "warn", f"{told}, little for a big account", elsewhere)]
    return [Finding("data dir", "ok", told)]
