"""How soon a worker works again as the state grows: without its files, and with them."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from benchmarks.figures import Chart, Figure, Findings, Series, at_most, plain
from benchmarks.stack import BenchStack
from benchmarks.usage import UsageMeter
from schemas.codec import decode, encode, headers_of
from schemas.errors import StackError
from schemas.ids import content_hash, ticket_key
from schemas.messages.tickets import Origin, Receipt, TicketChange
from schemas.settings.load import Settings
from schemas.tables import IndexedTicket, SeenTicket
from schemas.topics import BACKFILL, INDEXED, changelog_topic
from schemas.zendesk import Ticket
from streams.kafka.messages import Record
from streams.kafka.partitions import partition_of
from streams.kafka.producer import Producer
from streams.kafka.topic_reader import TopicReader
from ticketstream.local.stack.options import StackOptions

_KEYS_A_TICKET: Final = 2
_SMALLER: Final = (100, 10, 1)
_COLD_SECONDS: Final = 60.0
_WARM_SECONDS: Final = 5.0
_WORKER_MB: Final = 250.0
_ACCOUNT: Final = "raw"
_VERSION: Final = 1_760_000_000
_AT_ONCE: Final = 5_000
_LONGEST_SECONDS: Final = 300.0

Note = Callable[[str], None]


class Recovery(msgspec.Struct, kw_only=True):
    """From the start of the process until a ticket has passed it; memory meanwhile and then, in MB."""

    seconds: float
    cpu_seconds: float
    memory_peak: float
    memory_after: float


def run(*, tickets: int, workers: int, note: Note) -> Findings:
    """Fill the tables' changelogs with a hundredth, a tenth and all of the tickets; start workers each time.

    A ticket has an entry in ``seen`` and one in ``indexed``: what it leaves after it was imported.
    """
    found: dict[int, dict[str, Recovery]] = {}
    overrides = {"ZENDESK__SUBDOMAIN": _ACCOUNT}
    with BenchStack(StackOptions(), workers=workers, overrides=overrides) as stack:
        size, filled = 0.0, 0
        for share in _SMALLER:
            wanted = tickets // share
            keys = wanted * _KEYS_A_TICKET
            note(f"{keys:,} entries lie on the changelogs")
            size = asyncio.run(_fill(stack.settings, filled, wanted)) or size
            filled = wanted
            found[keys] = {}
            _forget(stack.settings)
            for how in ("cold", "warm"):
                note(f"workers start ({workers}), {how}")
                # Above all tickets of the state: nothing is known of it.
                found[keys][how] = asyncio.run(_recover(stack, tickets + len(found) * 2 + (how == "warm")))
    return Findings(
        scenario="recovery",
        figures=[plain("bytes of a key and its value, on average", size), *_figures(found, tickets)],
        measured={str(keys): both for keys, both in found.items()},
        charts=_charts(found),
    )


def _forget(settings: Settings) -> None:
    """Delete the workers' files, but not their slots: new members would wait for the old ones' session."""
    for folder in (settings.data_dir / "workers").glob("*/"):
        shutil.rmtree(folder)


def _figures(found: dict[int, dict[str, Recovery]], tickets: int) -> list[Figure]:
    figures: list[Figure] = []
    for keys, both in found.items():
        name = f"{keys:,} keys ({keys // _KEYS_A_TICKET:,} tickets)"
        cold, warm = both["cold"], both["warm"]
        figures += [
            at_most(f"{name}, fresh machine", cold.seconds, _COLD_SECONDS, "s"),
            plain("  processor time", cold.cpu_seconds, "s"),
            plain("  memory of a worker, peak", cold.memory_peak, "MB"),
            at_most(f"{name}, with its files", warm.seconds, _WARM_SECONDS, "s"),
            at_most("  memory of a worker, peak", warm.memory_peak, _WORKER_MB, "MB"),
        ]
    return figures


def _charts(found: dict[int, dict[str, Recovery]]) -> list[Chart]:
    labels = [f"{keys:,} keys" for keys in found]

    def chart(title: str, unit: str, field: str) -> Chart:
        return Chart(
            title=title,
            unit=unit,
            labels=labels,
            series=[
                Series(name=name, values=[getattr(both[how], field) for both in found.values()])
                for how, name in (("cold", "fresh machine"), ("warm", "with its files"))
            ],
        )

    return [
        chart("From the start of a worker until a ticket has passed it", "s", "seconds"),
        chart("Peak memory of a worker meanwhile", "MB", "memory_peak"),
    ]


async def _recover(stack: BenchStack, number: int) -> Recovery:
    """Put one more ticket on the backfill, start the workers, and wait for its receipt; raises StackError."""
    await _send_ticket(stack.settings, number)
    began = time.time()
    stack.launch_workers()
    try:
        with UsageMeter(stack.worker_processes()) as meter:
            arrived = await _receipt(stack, number)
    finally:
        await asyncio.to_thread(stack.stop_workers)
    uses = meter.result.values()
    return Recovery(
        seconds=round(arrived - began, 2),
        cpu_seconds=sum(use.cpu_seconds for use in uses),
        memory_peak=max(use.memory_peak for use in uses),
        memory_after=max(use.memory_after for use in uses),
    )


async def _receipt(stack: BenchStack, number: int) -> float:
    deadline = time.monotonic() + _LONGEST_SECONDS
    async with TopicReader(stack.settings.cluster, [INDEXED]) as reader:
        while time.monotonic() < deadline:
            for raw in await reader.next_batch(0.1):
                receipt = decode(Receipt, raw.value, raw.headers)
                if receipt.ticket_id == number:
                    return receipt.indexed_at
    raise StackError(f"the workers do not work after {_LONGEST_SECONDS:.0f} s: {stack.worker_log()}")


async def _send_ticket(settings: Settings, number: int) -> None:
    moment = "2026-01-01T08:00:00Z"
    change = TicketChange(
        account=_ACCOUNT,
        ticket_id=number,
        version=_VERSION,
        changed_at=float(_VERSION),
        source="file",
        ticket=Ticket(id=number, created_at=moment, updated_at=moment, description="Is anybody there?"),
    )
    key = ticket_key(_ACCOUNT, number)
    partition = partition_of(key, settings.kafka.partitions)
    producer = Producer(settings.cluster, "benchmark")
    await producer.start()
    try:
        await producer.send([Record(BACKFILL, partition, key, encode(change), headers_of(change))])
    finally:
        await producer.stop()


async def _fill(settings: Settings, first: int, end: int) -> float:
    """Put the entries of these tickets on the changelogs; returns the bytes of one, on average."""
    producer = Producer(settings.cluster, "benchmark")
    await producer.start()
    written, total = 0, 0
    try:
        batch: list[Record] = []
        for record in _entries(settings.kafka.partitions, first, end):
            batch.append(record)
            written += 1
            total += len(record.key or b"") + len(record.value or b"")
            if len(batch) == _AT_ONCE:
                await producer.send(batch)
                batch = []
        if batch:
            await producer.send(batch)
    finally:
        await producer.stop()
    return round(total / written, 1) if written else 0.0


def _entries(partitions: int, first: int, end: int) -> Iterator[Record]:
    """Yield what tickets with a public and an internal chunk leave in both tables."""
    seen_log, indexed_log = changelog_topic("seen"), changelog_topic("indexed")
    for number in range(first, end):
        key = ticket_key(_ACCOUNT, number)
        partition = partition_of(key, partitions)
        origin = Origin(BACKFILL, partition, number)
        public, internal = content_hash(f"public {number}"), content_hash(f"internal {number}")
        seen = SeenTicket(_VERSION + number, public[:16], origin, float(_VERSION + number))
        indexed = IndexedTicket(
            _VERSION + number,
            internal[:16],
            origin,
            "Tickets_wordllama_256_c1",
            _VERSION + number + 0.5,
            public=[public],
            internal=[internal],
        )
        yield Record(seen_log, partition, key, encode(seen))
        yield Record(indexed_log, partition, key, encode(indexed))
