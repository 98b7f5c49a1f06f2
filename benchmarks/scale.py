"""More partitions: how long it takes, and that nothing indexed is fetched, embedded or written again."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable
from typing import Final

import msgspec

from agents.partitions import partition_of
from agents.producer import Producer, Record
from benchmarks.figures import Findings, at_most, plain
from benchmarks.pipeline import ImportFigures, measured_import
from benchmarks.stack import BenchStack, unlimited
from benchmarks.usage import quiet_down
from schemas.errors import StackError
from schemas.settings import PREFIX, Settings
from schemas.state import changelog_topic
from schemas.topics import EMBEDDED, ENRICHED
from ticketstream.scale.plan import Outcome
from ticketstream.scale.run import scale

BEFORE: Final = 8
AFTER: Final = 16
_MOST_TICKETS: Final = 4_000
_SYNTHETIC: Final = 25_000
_SIZES: Final = {
    changelog_topic("seen"): 250,
    changelog_topic("indexed"): 450,
    ENRICHED: 2_000,
    EMBEDDED: 6_000,
}
"""Bytes of an entry, about those of a ticket with two comments and one chunk of 768 numbers."""
_BATCH: Final = 2_500

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
    """Scale an imported account and import it again; then time a larger one, made up on the topics."""
    tickets = min(tickets, _MOST_TICKETS)
    with BenchStack(unlimited(tickets), workers=workers) as stack:
        stack.start_workers()
        quiet_down(stack.processes())
        note(f"pipeline, {tickets:,} tickets, {workers} workers, {BEFORE} partitions")
        first = measured_import(stack)
        stack.stop_workers()
        note(f"{BEFORE} to {AFTER} partitions")
        account = asyncio.run(_scaled(stack.settings, note))
        stack.environment[f"{PREFIX}KAFKA__PARTITIONS"] = str(AFTER)
        began = time.monotonic()
        stack.start_workers()
        ready = time.monotonic() - began
        note("the same account once more")
        again = measured_import(stack)
    with BenchStack(unlimited(1), workers=0) as stack:
        note(f"{_SYNTHETIC:,} tickets on {len(_SIZES)} topics, made up")
        asyncio.run(_fill(stack.settings))
        large = asyncio.run(_scaled(stack.settings, note))
    return Findings(
        scenario="scale",
        figures=[
            plain(f"{tickets:,} tickets, {BEFORE} to {AFTER} partitions", account.seconds, "s"),
            plain("  keys moved", account.keys),
            plain("  workers ready afterwards, their tables made anew", ready, "s"),
            *_again(first, again),
            plain(f"{_SYNTHETIC:,} tickets made up: keys moved", large.keys),
            plain("  bytes moved", large.megabytes, "MB"),
            plain("  whole command", large.seconds, "s"),
            plain("  foreseen", large.seconds_foreseen, "s"),
            plain("  for 100,000 keys that move", large.seconds_per_100_000, "s"),
        ],
        measured={"import": first, "account": account, "again": again, "large": large},
    )


def _again(first: ImportFigures, again: ImportFigures) -> list[object]:
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
        settings, AFTER, dry_run=False, told=lambda *_: None, planned=lambda plan: note(f"{plan.keys:,} keys")
    )
    if outcome.status != "done":
        raise StackError(f"the change of partitions is {outcome.status}")
    return ScaleFigures(
        keys=outcome.moved,
        megabytes=round(sum(topic.bytes for topic in outcome.plan.topics) / 1e6, 1),
        seconds=round(outcome.seconds, 2),
        seconds_foreseen=round(outcome.plan.seconds, 2),
    )


async def _fill(settings: Settings) -> None:
    """Put an entry of each ticket on each topic, where its key belongs."""
    producer = Producer(settings.bootstrap_servers, "benchmark")
    await producer.start()
    try:
        letters = random.Random(1).choices("abcdefghijklmnopqrstuvwxyz ", k=2 * max(_SIZES.values()))
        text = "".join(letters)
        for topic, size in _SIZES.items():
            for first in range(0, _SYNTHETIC, _BATCH):
                await producer.send(
                    [
                        _record(topic, number, text[number % size : number % size + size])
                        for number in range(first, first + _BATCH)
                    ]
                )
    finally:
        await producer.stop()


def _record(topic: str, number: int, text: str) -> Record:
    key = f"acme:{number}".encode()
    value = json.dumps({"ticket_id": number, "text": text}).encode()
    return Record(topic, partition_of(key, BEFORE), key, value, [("schema", b"made-up/1")])
