"""Virtual environments of what does not go with the project's packages: made once, inside its own."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from schemas.errors import StackError

_HERE: Final = Path(__file__).parent
_VENV: Final = Path(sys.prefix)


def python_for(part: str, note: Callable[[str], None]) -> Path:
    """Return the interpreter that has the packages of ``<part>/requirements.lock``.

    Raises StackError when they cannot be installed.
    """
    lock, folder = _HERE / part / "requirements.lock", _VENV / f"benchmarks-{part}"
    interpreter, made_of = folder / "bin" / "python", folder / "made-of"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    if made_of.is_file() and made_of.read_text() == wanted:
        return interpreter
    note(f"an environment for benchmarks.{part} is made (once)")
    _uv("venv", "--clear", "--python", sys.executable, str(folder))
    _uv("pip", "install", "--python", str(interpreter), "--require-hashes", "--requirement", str(lock))
    made_of.write_text(wanted)
    return interpreter


def _uv(*arguments: str) -> None:
    command = [str(_VENV / "bin" / "uv"), "--quiet", *arguments]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise StackError(f"uv cannot be run ({error}): make install brings it") from error
    if ended.returncode:
        raise StackError(f"packages of a benchmark cannot be installed: {ended.stderr.strip()[-500:]}")
