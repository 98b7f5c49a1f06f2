"""What both plain scripts share: how they are started, and what they print."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Final

import msgspec
import psutil

from benchmarks.stack import BenchStack
from benchmarks.usage import ProcessUse, UsageMeter
from schemas.errors import StackError
from schemas.settings import PREFIX

_LONGEST_SECONDS: Final = 900


class ScriptResult(msgspec.Struct, kw_only=True):
    """What a script prints as JSON; ``seconds`` run from its first call to its last ticket written."""

    tickets: int
    objects: int
    seconds: float
    zendesk_calls: int
    embedding_calls: int


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
    services = {key: one for key, one in stack.processes().items() if not key.startswith("worker")}
    try:
        with UsageMeter({**services, name: psutil.Process(process.pid)}) as meter:
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
