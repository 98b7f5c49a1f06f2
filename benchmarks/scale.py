"""More partitions: how long it takes, and that nothing indexed is fetched, embedded or written again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

import msgspec

from benchmarks.figures import Figure, Findings, at_most, plain
from benchmarks.pipeline import ImportFigures, measured_import
from benchmarks.stack import BenchStack, unlimited
from benchmarks.usage import quiet_down
from schemas.errors import StackError
from schemas.settings.load import PREFIX, Settings
from ticketstream.operations.scale.plan import Outcome
from ticketstream.operations.scale.run import scale

BEFORE: Final = 8
AFTER: Final = 16

Note = Callable[[str], None]


class ScaleFigures(msgspec.Struct, kw_only=True):
    """A change: the keys that moved and their bytes, and the seconds of the command's own work."""

    keys: int
    megabytes: float
    seconds: float
    seconds_foreseen: float

    @property
    def seconds_per_100_000(self) -> float:
        """Seconds for 100,000 keys that move."""
        return self.seconds * 100_000 / self.keys


def run(*, tickets: int, workers: int, note: Note) -> Findings:
    """Scale an imported account, and import it again."""
    with BenchStack(unlimited(tickets), workers=workers) as stack:
        stack.start_workers()
        quiet_down(stack.processes())
        note(f"pipeline, {tickets:,} tickets, {workers} workers, {BEFORE} partitions")
        first = measured_import(stack)
        stack.stop_workers()
        note(f"{BEFORE} to {AFTER} partitions")
        scaled = asyncio.run(_scaled(stack.settings, note))
        stack.environment[f"{PREFIX}KAFKA__PARTITIONS"] = str(AFTER)
        began = time.monotonic()
        stack.start_workers()
        ready = time.monotonic() - began
        note("the same account once more")
        again = measured_import(stack)
    return Findings(
        scenario="scale",
        figures=[
            plain(f"{tickets:,} tickets, {BEFORE} to {AFTER} partitions", scaled.seconds, "s"),
            plain("  foreseen", scaled.seconds_foreseen, "s"),
            plain("  keys moved", scaled.keys),
            plain("  bytes moved", scaled.megabytes, "MB"),
            plain("  for 100,000 keys that move", scaled.seconds_per_100_000, "s"),
            plain("  workers ready afterwards, their tables made anew", ready, "s"),
            *_again(first, again),
        ],
        measured={"import": first, "scale": scaled, "again": again},
    )


def _again(first: ImportFigures, again: ImportFigures) -> list[Figure]:
    comments = again.zendesk["comments"]
    calls = comments["calls"] if isinstance(comments, dict) else 0
    return [
        at_most("  comments fetched again", float(calls), 0),
        at_most("  embedding calls again", again.embedding_calls, 0),
        at_most("  objects written again", again.vectors_uploaded, 0),
        at_most("  objects more or fewer", abs(again.objects - first.objects), 0),
    ]


async def _scaled(settings: Settings, note: Note) -> ScaleFigures:
    outcome: Outcome = await scale(
        settings,
        AFTER,
        dry_run=False,
        progress=lambda *_: None,
        planned=lambda plan: note(f"{plan.keys:,} keys"),
    )
    if outcome.status != "done":
        raise StackError(f"the change of partitions is {outcome.status}")
    return ScaleFigures(
        keys=outcome.moved,
        megabytes=round(sum(topic.bytes for topic in outcome.plan.topics) / 1e6, 1),
        seconds=round(outcome.seconds, 2),
        seconds_foreseen=round(outcome.plan.seconds, 2),
    )
