"""Freshness: from a change in Zendesk to its ticket being searchable, with and without an import running."""

from __future__ import annotations

import asyncio
import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Final, Self

import msgspec

from benchmarks.figures import Findings, at_most, plain
from benchmarks.pipeline import measured_import
from benchmarks.stack import BenchStack
from schemas.codec import decode
from schemas.errors import StackError
from schemas.messages import Receipt
from schemas.settings import Settings
from schemas.topics import INDEXED
from ticketstream.records.reader import TopicReader
from ticketstream.sample.zendesk.control import SampleZendeskControl
from ticketstream.stack.options import StackOptions

_POLL_SECONDS: Final = "0.5"
_EVERY_SECONDS: Final = 0.5
_QUIET_CHANGES: Final = 100
_GOAL_SECONDS: Final = 5.0
_LAST_SECONDS: Final = 60.0

Note = Callable[[str], None]


class Freshness(msgspec.Struct, kw_only=True):
    """Seconds from changes to searchable, over ``changes`` changes."""

    changes: int
    p50: float
    p95: float
    longest: float


class _Changes:
    """Adds a comment to one ticket after another until it is left; ``made`` tells when, by ticket."""

    def __init__(self, zendesk: SampleZendeskControl, tickets: Sequence[int], most: int | None) -> None:
        self.made: dict[int, float] = {}
        self._zendesk = zendesk
        self._tickets = tickets if most is None else tickets[:most]
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        for ticket in self._tickets:
            began = time.time()
            self._zendesk.add_comment(ticket, "One more thing: it happened again this morning.")
            self.made[ticket] = began
            if self._enough.wait(_EVERY_SECONDS):
                return

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def join(self) -> None:
        """Wait until every ticket has had its change."""
        self._thread.join()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._enough.set()
        self._thread.join()


def run(*, tickets: int, workers: int, note: Note) -> Findings:
    """Change tickets one after another in a quiet account, and again while all of it is imported."""
    options = StackOptions(sample=True, tickets=tickets, sample_no_limits=True)
    settings = {"ZENDESK__POLL_SECONDS": _POLL_SECONDS}
    with BenchStack(options, workers=workers, overrides=settings) as stack, stack.zendesk() as zendesk:
        stack.start_workers()
        changeable = [
            truth["id"]
            for truth in zendesk.truth()
            if not truth["removed"] and truth["ticket"]["status"] != "closed"
        ]
        note(f"changes alone: {_QUIET_CHANGES}")
        with _Changes(zendesk, changeable[::-2], _QUIET_CHANGES) as alone:
            alone.join()
            quiet = asyncio.run(_followed(stack.settings, alone.made))
        note(f"changes while {tickets:,} tickets are imported, {workers} workers")
        with _Changes(zendesk, changeable[::2], None) as meanwhile:
            imported = measured_import(stack)
        busy = asyncio.run(_followed(stack.settings, meanwhile.made))
    return Findings(
        scenario="freshness",
        figures=[
            plain("changes alone", quiet.changes),
            plain("searchable after, alone, p50", quiet.p50, "s"),
            at_most("searchable after, alone, p95", quiet.p95, _GOAL_SECONDS, "s"),
            plain(f"changes in an import of {tickets:,}", busy.changes),
            plain("searchable after, in an import, p50", busy.p50, "s"),
            at_most("searchable after, in an import, p95", busy.p95, _GOAL_SECONDS, "s"),
            plain("longest in an import", busy.longest, "s"),
            plain("import meanwhile", imported.tickets_per_second, "tickets/s"),
        ],
        measured={"alone": quiet, "in an import": busy, "import": imported},
    )


async def _followed(settings: Settings, made: Mapping[int, float]) -> Freshness:
    """Wait until each change has its receipt, and return the time it took; raises StackError."""
    seconds: dict[int, float] = {}
    try:
        async with (
            asyncio.timeout(_LAST_SECONDS),
            TopicReader(settings.bootstrap_servers, [INDEXED]) as reader,
        ):
            while len(seconds) < len(made):
                for raw in await reader.next_batch(0.1):
                    receipt = decode(Receipt, raw.value, raw.headers)
                    began = made.get(receipt.ticket_id)
                    # Zendesk's clock of a change has whole seconds.
                    if began is not None and receipt.version >= int(began):
                        seconds.setdefault(receipt.ticket_id, receipt.indexed_at - began)
    except TimeoutError:
        missing = sorted(made.keys() - seconds.keys())
        raise StackError(f"{len(missing)} changes are not searchable, of ticket {missing[0]} first") from None
    ordered = sorted(seconds.values())
    return Freshness(
        changes=len(ordered),
        p50=round(statistics.median(ordered), 3),
        p95=round(ordered[int(len(ordered) * 0.95)], 3),
        longest=round(ordered[-1], 3),
    )
