"""A stage without an outside service, beside plain aiokafka that passes on the same messages."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Set
from contextlib import suppress
from functools import partial
from typing import Final

import msgspec

from benchmarks.figures import Findings, at_least, bars, plain
from benchmarks.stack import BenchStack
from benchmarks.stage_messages import fill
from benchmarks.stage_worker import StageRun
from schemas.errors import StackError
from schemas.settings.load import PREFIX
from ticketstream.local.stack.options import StackOptions

GOAL: Final = 9_000
_ROUNDS: Final = 2
_LONGEST_SECONDS: Final = 300
_MODULES: Final = {"stage": "benchmarks.stage_worker", "plain": "benchmarks.stage_plain"}

Note = Callable[[str], None]


def run(*, tickets: int, workers: int, note: Note) -> Findings:
    """Pass a message for each ticket through both, in turn, each round on a fresh Kafka."""
    messages = tickets
    found: dict[str, list[StageRun]] = {name: [] for name in _MODULES}
    size = 0
    for number in range(_ROUNDS):
        with BenchStack(StackOptions(), workers=workers) as stack:
            note(f"{messages:,} messages are put on the topic")
            size = asyncio.run(fill(stack.settings, messages))
            worker_core = _share_cores(stack)
            # Each once the first: whatever drifts hits both.
            for name in list(_MODULES)[:: 1 if number % 2 == 0 else -1]:
                note(f"{name}: {messages:,} messages of {size:,} bytes, one core")
                found[name].append(_measured(stack, _MODULES[name], messages, worker_core))
    rates = {name: [one.messages / one.seconds for one in runs] for name, runs in found.items()}
    stage, ceiling = statistics.mean(rates["stage"]), statistics.mean(rates["plain"])
    return Findings(
        scenario="stage",
        figures=[
            at_least("consume, decode, table get and set, produce", stage, GOAL, "messages/s"),
            plain("  each round", _listed(rates["stage"])),
            plain("  processor time", _cpu(found["stage"]), "µs a message"),
            plain("plain aiokafka, consume and produce", ceiling, "messages/s"),
            plain("  each round", _listed(rates["plain"])),
            plain("  processor time", _cpu(found["plain"]), "µs a message"),
            plain("stage beside plain aiokafka", stage / ceiling, "times"),
            plain("bytes of a message", size),
        ],
        measured=dict(found),
        charts=[
            bars(
                f"{messages:,} messages of {size:,} bytes, one core",
                "messages/s",
                {"stage": stage, "plain aiokafka": ceiling},
                goal=GOAL,
            )
        ],
    )


def _share_cores(stack: BenchStack) -> Set[int]:
    """Leave one core to what is measured, and the others to Kafka; with one core they share it."""
    *others, mine = sorted(os.sched_getaffinity(0))
    if others:
        for process in stack.processes().values():
            for thread in process.threads():
                with suppress(ProcessLookupError):
                    os.sched_setaffinity(thread.id, others)
    return {mine}


def _measured(stack: BenchStack, module: str, messages: int, core: Set[int]) -> StageRun:
    own = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    ended = subprocess.run(
        [sys.executable, "-m", module, str(messages)],
        env=own | stack.environment,
        capture_output=True,
        timeout=_LONGEST_SECONDS,
        check=False,
        preexec_fn=partial(os.sched_setaffinity, 0, core),
    )
    lines = ended.stdout.splitlines()
    if ended.returncode or not lines:
        raise StackError(f"{module} failed: {ended.stderr.decode(errors='replace')[-800:]}")
    return msgspec.json.decode(lines[-1], type=StageRun)


def _listed(rates: list[float]) -> str:
    return ", ".join(f"{rate:,.0f}" for rate in rates)


def _cpu(runs: list[StageRun]) -> float:
    return 1e6 * sum(one.cpu_seconds for one in runs) / sum(one.messages for one in runs)
