"""What live changes see when workers join, leave, die and are restarted; and how long a failover takes.

Comments are added to one ticket after another at a steady rate, and followed until they are searchable.
"""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain, pairwise
from pathlib import Path
from typing import IO, Final

import msgspec

from benchmarks.figures import Figure, Findings, plain
from benchmarks.stack import BenchStack
from benchmarks.standby import VARIABLE
from schemas.codec import decode, encode
from schemas.errors import StackError
from schemas.ids import ticket_key
from schemas.messages.tickets import Origin, Receipt
from schemas.settings.load import PREFIX
from schemas.tables import IndexedTicket, SeenTicket
from schemas.topics import CHANGES, INDEXED, changelog_topic
from streams.kafka.messages import Record
from streams.kafka.partitions import partition_of
from streams.kafka.producer import Producer
from streams.kafka.topic_reader import TopicReader
from ticketstream.local.stack.options import StackOptions
from ticketstream.operations.workers.pool import WorkerPool

_PARTITIONS: Final = 16
_EVERY_SECONDS: Final = 0.1
_QUIET_SECONDS: Final = 10.0
_AFTER_SECONDS: Final = 8.0
"""How long an event's changes are followed once all partitions are served again."""
_READY_SECONDS: Final = 120.0
_LAST_SECONDS: Final = 30.0
_KEYS: Final = 100_000
_AT_ONCE: Final = 5_000

Note = Callable[[str], None]


class Event(msgspec.Struct, kw_only=True):
    """What happened, and what live changes made meanwhile saw of it.

    ``gap`` is the longest time between two receipts, ``p95`` and ``longest`` are the freshness of the
    changes, in seconds; ``served`` the seconds until all partitions had a worker again; ``rebalances`` how
    often the workers that were not touched were given partitions anew.
    """

    name: str
    workers: int
    changes: int
    served: float
    gap: float
    p50: float
    p95: float
    longest: float
    rebalances: int


class _Worker:
    """A worker process, its log, and its pool of one."""

    def __init__(self, environment: dict[str, str], log: Path, module: str) -> None:
        self._log = log
        self._output: IO[bytes] = log.open("wb")
        self.pool = WorkerPool(1, environment=environment, output=self._output, command=(module,))
        self.pool.start()
        self.before = 0

    def restart(self) -> None:
        """Start the process again, which has ended."""
        self.before = len(self.assignments())
        self.pool = WorkerPool(
            1, environment=self.pool.environment, output=self._output, command=self.pool.command
        )
        self.pool.start()

    def kill(self) -> None:
        """Kill it without a warning."""
        for pid in self.pool.pids:
            os.kill(pid, signal.SIGKILL)
        while self.pool.pids:
            time.sleep(0.01)

    def close(self) -> None:
        """Stop it for good."""
        self.pool.stop()
        self._output.close()

    def assignments(self) -> list[list[int]]:
        """Return the partitions it was given, each time anew."""
        found = []
        for line in self._log.read_bytes().splitlines():
            with suppress(msgspec.DecodeError):
                entry = msgspec.json.decode(line[max(0, line.find(b"{")) :])
                if isinstance(entry, dict) and entry.get("event") == "partitions assigned":
                    found.append(entry["partitions"])
        return found

    @property
    def owned(self) -> list[int]:
        """What it owns, as far as its running process has said."""
        made = self.assignments()[self.before :]
        return made[-1] if made and self.pool.pids else []


class _Workers:
    """All workers of a stack."""

    def __init__(self, stack: BenchStack, folder: Path, module: str = "agents.worker") -> None:
        self._environment = {
            name: value for name, value in os.environ.items() if not name.startswith(PREFIX)
        } | stack.environment
        self._folder = folder
        self._module = module
        self.all: list[_Worker] = []

    def add(self) -> _Worker:
        """Start one more."""
        self.all.append(
            _Worker(self._environment, self._folder / f"worker-{len(self.all)}.log", self._module)
        )
        return self.all[-1]

    def await_served(self) -> None:
        """Wait until every partition has one owner, and every worker partitions; raises StackError."""
        deadline = time.monotonic() + _READY_SECONDS
        while not self._all_served():
            if time.monotonic() > deadline:
                raise StackError(f"not all partitions are served: {[one.owned for one in self.all]}")
            time.sleep(0.05)

    def _all_served(self) -> bool:
        owned = [one.owned for one in self.all if one.pool.pids]
        return all(owned) and sorted(chain.from_iterable(owned)) == list(range(_PARTITIONS))

    def stop(self) -> None:
        """Stop those that run."""
        for one in self.all:
            one.close()


class _Changes:
    """Adds comments all the time, and follows the receipts; both in threads of their own."""

    def __init__(self, stack: BenchStack) -> None:
        self.made: dict[int, float] = {}
        self.indexed: dict[int, float] = {}
        self.receipts: list[float] = []
        self._stack = stack
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=run, daemon=True)
            for run in (self._change, lambda: asyncio.run(self._follow()))
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End."""
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _change(self) -> None:
        with self._stack.zendesk() as zendesk:
            tickets = [
                truth["id"]
                for truth in zendesk.truth()
                if not truth["removed"] and truth["ticket"]["status"] != "closed"
            ]
            for ticket in tickets:
                began = time.time()
                zendesk.add_comment(ticket, "One more thing: it happened again this morning.")
                self.made[ticket] = began
                if self._ended.wait(max(0.0, began + _EVERY_SECONDS - time.time())):
                    return

    async def _follow(self) -> None:
        async with TopicReader(self._stack.settings.bootstrap_servers, [INDEXED]) as reader:
            while not self._ended.is_set():
                for raw in await reader.next_batch(0.1):
                    receipt = decode(Receipt, raw.value, raw.headers)
                    self.receipts.append(receipt.indexed_at)
                    began = self.made.get(receipt.ticket_id)
                    if began is not None and receipt.version >= int(began):
                        self.indexed.setdefault(receipt.ticket_id, receipt.indexed_at)

    @contextmanager
    def during(
        self, name: str, workers: _Workers, touched: Sequence[_Worker], into: list[Event]
    ) -> Iterator[None]:
        """Append what the changes made meanwhile saw; raises StackError when one never arrives."""
        others = [one for one in workers.all if one not in touched and one.pool.pids]
        before = sum(len(one.assignments()) for one in others)
        began = time.time()
        yield
        workers.await_served()
        served = time.time() - began
        time.sleep(_AFTER_SECONDS)
        ended = time.time()
        made = {ticket: at for ticket, at in self.made.items() if began <= at < ended}
        deadline = time.time() + _LAST_SECONDS
        while made.keys() - self.indexed.keys():
            if time.time() > deadline:
                missing = len(made.keys() - self.indexed.keys())
                raise StackError(f"{name}: {missing} of {len(made)} changes are not searchable")
            time.sleep(0.1)
        fresh = sorted(self.indexed[ticket] - at for ticket, at in made.items())
        seen = sorted(at for at in self.receipts if began - 1 <= at <= time.time())
        into.append(
            Event(
                name=name,
                workers=len([one for one in workers.all if one.pool.pids]),
                changes=len(made),
                served=round(served, 2),
                gap=round(max(after - before for before, after in pairwise(seen)), 2),
                p50=round(statistics.median(fresh), 2),
                p95=round(fresh[int(len(fresh) * 0.95)], 2),
                longest=round(fresh[-1], 2),
                rebalances=sum(len(one.assignments()) for one in others) - before,
            )
        )


def run(*, tickets: int, workers: int, note: Note) -> Findings:
    """Have so many workers see all events, and then measure failovers with and without standby replicas."""
    events = disturbed(tickets=tickets, workers=workers, note=note)
    takeovers = {standby: failover(standby, note=note) for standby in (0, 1)}
    figures: list[Figure] = []
    for event in events:
        figures += [
            plain(f"{event.name}: longest gap between receipts", event.gap, "s"),
            plain("  searchable after, p95", event.p95, "s"),
            plain("  longest", event.longest, "s"),
            plain("  all partitions served after", event.served, "s"),
            plain("  rebalances that other workers saw", event.rebalances),
        ]
    for standby, seconds in takeovers.items():
        figures.append(
            plain(f"failover, {_KEYS:,} keys in each table, {standby} standby replicas", seconds, "s")
        )
    return Findings(scenario="rebalance", figures=figures, measured={"events": events, "failover": takeovers})


def disturbed(*, tickets: int, workers: int, note: Note) -> list[Event]:
    """Return what live changes see of each event, among so many workers."""
    settings = {"ZENDESK__POLL_SECONDS": "0.3", "KAFKA__PARTITIONS": str(_PARTITIONS)}
    options = StackOptions(sample=True, tickets=tickets, sample_no_limits=True)
    events: list[Event] = []
    with BenchStack(options, workers=workers, overrides=settings) as stack:
        running = _Workers(stack, stack.folder)
        changes = _Changes(stack)
        try:
            for _ in range(workers):
                running.add()
            running.await_served()
            changes.start()
            time.sleep(_AFTER_SECONDS)
            note(f"{workers} workers, undisturbed")
            with changes.during("undisturbed", running, [], events):
                time.sleep(_QUIET_SECONDS)
            note("one more joins")
            with changes.during("a worker joins", running, [], events):
                running.add()
            note("it leaves (SIGTERM)")
            with changes.during("a worker leaves", running, [running.all[-1]], events):
                running.all[-1].pool.stop()
            note("one is killed and started again")
            with changes.during("kill -9 and restart", running, [running.all[0]], events):
                running.all[0].kill()
                running.all[0].restart()
            note("all are restarted, one after another")
            staying = running.all[:workers]
            with changes.during("rolling restart", running, staying, events):
                for one in staying:
                    one.pool.stop()
                    one.restart()
                    running.await_served()
        finally:
            changes.stop()
            running.stop()
    return events


def failover(standby: int, *, note: Note) -> float:
    """Return the seconds from a worker's death until the other serves its partitions too.

    Both tables by ticket hold 100,000 keys; the dead worker's session time is part of it.
    """
    note(f"failover with {_KEYS:,} keys, {standby} standby replicas")
    settings = {"KAFKA__PARTITIONS": str(_PARTITIONS), "ZENDESK__POLL_SECONDS": "5"}
    options = StackOptions(sample=True, tickets=100, sample_no_limits=True)
    with BenchStack(options, workers=2, overrides=settings) as stack:
        asyncio.run(_fill(stack))
        stack.environment[VARIABLE] = str(standby)
        running = _Workers(stack, stack.folder, "benchmarks.standby")
        try:
            first, _ = running.add(), running.add()
            running.await_served()
            time.sleep(_QUIET_SECONDS)  # a standby catches up behind
            began = time.monotonic()
            first.kill()
            running.await_served()
            return round(time.monotonic() - began, 2)
        finally:
            running.stop()


async def _fill(stack: BenchStack) -> None:
    """Write the changelogs of the tables by ticket."""
    account = stack.settings.account
    producer = Producer(stack.settings.bootstrap_servers, "benchmark")
    await producer.start()
    try:
        for first in range(0, _KEYS, _AT_ONCE):
            records = []
            for number in range(first, first + _AT_ONCE):
                key = ticket_key(account, 1_000_000 + number)
                partition = partition_of(key, _PARTITIONS)
                origin = Origin(CHANGES, partition, number)
                seen = SeenTicket(1, f"{number:040x}", origin)
                indexed = IndexedTicket(1, seen.digest, origin, "T", 1.0, public=[seen.digest] * 2)
                records += [
                    Record(changelog_topic("seen"), partition, key, encode(seen)),
                    Record(changelog_topic("indexed"), partition, key, encode(indexed)),
                ]
            await producer.send(records)
    finally:
        await producer.stop()
