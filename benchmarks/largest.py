"""The largest ticket Zendesk allows: memory, size on the topics and in the tables, and who waits for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from benchmarks.figures import Chart, Findings, Series, at_most, plain
from benchmarks.stack import BenchStack, unlimited
from benchmarks.usage import UsageMeter
from schemas.codec import decode, is_part
from schemas.errors import StackError
from schemas.ids import ticket_key
from schemas.messages.tickets import Receipt
from schemas.settings.load import Settings
from schemas.tables import TABLES, ticket_of
from schemas.topics import EMBEDDED, ENRICHED, INDEXED, changelog_topic
from streams.kafka.topic_reader import TopicReader
from streams.kafka.topics import MAX_MESSAGE_BYTES
from ticketstream.local.sample.zendesk.control import SampleZendeskControl

CHARACTERS: Final = 10_000
DIMENSIONS: Final = 3_072
_OTHERS: Final = 200
_FRESH_SECONDS: Final = 5.0
_MEMORY_MB: Final = 400.0
"""What a worker may take more than before."""
_MOST_SECONDS: Final = 3_600.0
_SETTINGS: Final = {
    "EMBEDDING__PROVIDER": "gemini",
    "EMBEDDING__DIMENSIONS": str(DIMENSIONS),
    "ZENDESK__POLL_SECONDS": "0.5",
    "KAFKA__PARTITIONS": "2",
}

Note = Callable[[str], None]


class Held(msgspec.Struct, kw_only=True):
    """What Kafka holds of one ticket at a place: messages, bytes of their values, and the largest of them."""

    messages: int = 0
    bytes: int = 0
    largest: int = 0

    def add(self, size: int) -> None:
        """Count a message."""
        self.messages += 1
        self.bytes += size
        self.largest = max(self.largest, size)


class Largest(msgspec.Struct, kw_only=True):
    """A large ticket from its change to searchable, and others that changed meanwhile.

    ``others`` are the seconds from each change to searchable, in the order of the changes.
    """

    seconds: float
    chunks: int
    vectors_written: int
    memory_before: float
    memory_peak: float
    others: list[float]


def run(*, tickets: int, workers: int, note: Note) -> Findings:
    """Have a ticket of ``tickets`` comments indexed, then one comment more, while others change."""
    options = unlimited(_OTHERS)
    with BenchStack(options, workers=workers, overrides=_SETTINGS) as stack, stack.zendesk() as zendesk:
        stack.start_workers()
        large, *others = (
            truth["id"]
            for truth in zendesk.truth()
            if not truth["removed"] and truth["ticket"]["status"] != "closed"
        )
        note(f"a ticket of {tickets:,} comments of {CHARACTERS:,} characters, {DIMENSIONS:,} dimensions")
        first = _measured(stack, large, others, lambda at: zendesk.lengthen(large, tickets - 1, CHARACTERS))
        places = asyncio.run(_held(stack.settings, large))
        note("one comment more")
        again = _measured(stack, large, others, lambda at: zendesk.add_comment(large, f"At {at}."))
    return _findings(tickets, first, again, places)


def _measured(stack: BenchStack, large: int, others: list[int], change: Callable[[float], object]) -> Largest:
    with UsageMeter(stack.worker_processes()) as meter:
        receipt, seconds, delays = asyncio.run(_followed(stack, large, others, change))
    worst = max(meter.result.values(), key=lambda use: use.memory_peak - use.memory_before)
    return Largest(
        seconds=round(seconds, 1),
        chunks=receipt.chunks,
        vectors_written=receipt.vectors_written,
        memory_before=worst.memory_before,
        memory_peak=worst.memory_peak,
        others=delays,
    )


async def _followed(
    stack: BenchStack, large: int, others: list[int], change: Callable[[float], object]
) -> tuple[Receipt, float, list[float]]:
    """Change the large ticket, and one other a second until it is searchable; returns when each was."""
    settings = stack.settings
    made: dict[int, float] = {}
    delays: dict[int, float] = {}
    with SampleZendeskControl(stack.zendesk_url) as zendesk:
        async with TopicReader(settings.cluster, [INDEXED]) as reader:
            while await reader.next_batch(0.5):
                pass  # what was before
            began = time.time()
            await asyncio.to_thread(change, began)
            ended: Receipt | None = None
            left = iter(others)
            due = time.monotonic()
            while ended is None or len(delays) < len(made):
                if ended is None and time.monotonic() >= due and (other := next(left, None)) is not None:
                    made[other] = time.time()
                    await asyncio.to_thread(zendesk.add_comment, other, f"Meanwhile, at {made[other]}.")
                    due += 1.0
                for raw in await reader.next_batch(0.05):
                    receipt = decode(Receipt, raw.value, raw.headers)
                    if receipt.version < int(made.get(receipt.ticket_id, began)):
                        continue
                    if receipt.ticket_id == large and receipt.outcome == "indexed":
                        ended = receipt
                    elif receipt.ticket_id in made and receipt.outcome == "indexed":
                        delays.setdefault(receipt.ticket_id, receipt.indexed_at - made[receipt.ticket_id])
                if time.time() - began > _MOST_SECONDS:
                    raise StackError(f"not searchable after {_MOST_SECONDS:.0f} s: {stack.worker_log()}")
            return ended, ended.indexed_at - began, [round(delays[other], 2) for other in made]


async def _held(settings: Settings, ticket_id: int) -> dict[str, Held]:
    """Return what the topics and the tables' changelogs hold of a ticket, without what has been replaced."""
    key = ticket_key(settings.account, ticket_id)
    found: dict[str, Held] = {}
    for topic in (ENRICHED, EMBEDDED, *map(changelog_topic, TABLES)):
        sizes: dict[tuple[str, bytes], int] = {}
        async with TopicReader(settings.cluster, [topic]) as reader:
            async for raw in reader.to_end():
                if raw.key is not None and ticket_of(raw.key) == key:
                    name = f"{topic}, parts" if is_part(raw.headers) else topic
                    sizes[name, raw.key] = len(raw.value or b"")
        for (name, _), size in sizes.items():
            if size:
                found.setdefault(name, Held()).add(size)
    return found


def _findings(comments: int, first: Largest, again: Largest, places: Mapping[str, Held]) -> Findings:
    waits = sorted(first.others + again.others)
    figures = [
        plain("comments", comments),
        plain("chunks", first.chunks),
        plain("change to searchable", first.seconds, "s"),
        plain("memory of its worker before", first.memory_before, "MB"),
        plain("  at its peak", first.memory_peak, "MB"),
        at_most("  more than before", first.memory_peak - first.memory_before, _MEMORY_MB, "MB"),
        plain("others' changes meanwhile", len(waits)),
        plain("  searchable after, p50", waits[len(waits) // 2], "s"),
        at_most("  p95", waits[min(len(waits) - 1, len(waits) * 95 // 100)], _FRESH_SECONDS, "s"),
        plain("  longest", waits[-1], "s"),
        plain("one comment more: change to searchable", again.seconds, "s"),
        plain("  memory at its peak", again.memory_peak, "MB"),
    ]
    for name, held in places.items():
        figures += [
            plain(f"{name}: messages", held.messages),
            plain("  together", held.bytes / 2**20, "MiB"),
            at_most("  the largest", held.largest / 2**20, MAX_MESSAGE_BYTES / 2**20, "MiB"),
        ]
    chart = Chart(
        title="Others' changes meanwhile: seconds to searchable",
        unit="s",
        kind="lines",
        x="change",
        series=[
            Series(name=name, values=one.others, at=[float(n) for n in range(len(one.others))])
            for name, one in (("the large ticket is new", first), ("it has one comment more", again))
        ],
    )
    return Findings(
        scenario="the largest ticket",
        figures=figures,
        measured={"first": first, "again": again, "places": places},
        charts=[chart],
    )
