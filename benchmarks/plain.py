"""How the plain scripts are run and measured."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Final

import msgspec
import psutil

from benchmarks.script_result import ScriptResult
from benchmarks.stack import BenchStack
from benchmarks.usage import ProcessUse, UsageMeter
from schemas.errors import StackError
from schemas.settings.load import PREFIX

_LONGEST_SECONDS: Final = 900


class ScriptFigures(msgspec.Struct, kw_only=True):
    """A script's run, and what it and the services used."""

    result: ScriptResult
    tickets_per_second: float
    use: dict[str, ProcessUse]


def run_script(stack: BenchStack, name: str, *arguments: str) -> ScriptFigures:
    """Run ``benchmarks.<name>`` in a process of its own against the stack; raises StackError."""
    own = {key: value for key, value in os.environ.items() if not key.startswith(PREFIX)}
    environment: Mapping[str, str] = own | stack.environment
    process = subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.{name}", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    try:
        with UsageMeter({**stack.services(), name: psutil.Process(process.pid)}) as meter:
            output, problems = process.communicate(timeout=_LONGEST_SECONDS)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode:
        raise StackError(f"benchmarks.{name} failed: {problems.decode(errors='replace')[-800:]}")
    result = msgspec.json.decode(output.splitlines()[-1], type=ScriptResult)
    return ScriptFigures(
        result=result,
        tickets_per_second=round(result.tickets / result.seconds, 1),
        use=meter.result,
    )
