"""Freshness: from a change in Zendesk to its ticket being searchable.

At several rates, by webhook and by polling, in a quiet account and while all of it is imported.
"""

from __future__ import annotations

import asyncio
import math
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Final, Literal, Self

import httpx
import msgspec

from benchmarks.figures import Chart, Figure, Findings, Series, at_most, plain
from benchmarks.pipeline import measured_import
from benchmarks.serving import Server, serving
from benchmarks.stack import BenchStack
from schemas.codec import decode
from schemas.errors import StackError
from schemas.messages.tickets import Receipt
from schemas.settings.load import Settings
from schemas.topics import INDEXED
from streams.kafka.topic_reader import TopicReader
from ticketstream.local.sample.zendesk.control import SampleZendeskControl
from ticketstream.local.sample.zendesk.webhooks import Hook
from ticketstream.local.stack.options import StackOptions

Way = Literal["webhook", "polling"]
RATES: Final = (1, 10, 100)
_POLL_SECONDS: Final[Mapping[Way, str]] = {"polling": "0.5", "webhook": "3600"}
"""With webhooks the export is looked at once, at the start: what arrives came by a webhook."""
_QUIET_SECONDS: Final[Mapping[int, float]] = {1: 60.0, 10: 30.0, 100: 15.0}
_TICKETS_A_QUIET_SECOND: Final = 100
"""A small account is changed for a shorter time."""
_GOAL_SECONDS: Final = 5.0
_SOONER: Final = {("webhook", 10): 2.0}
"""Where the goal is a shorter time, by way and rate."""
_LAST_SECONDS: Final = 120.0
_COMMENT: Final = {"public": True, "body": "One more thing: it happened again this morning."}

Note = Callable[[str], None]


class Freshness(msgspec.Struct, kw_only=True):
    """Seconds from changes to searchable; ``rate`` is that of the changes, as it was."""

    changes: int
    rate: float
    p50: float
    p95: float
    p99: float
    longest: float


class _Changes:
    """Adds a comment to one ticket after another, so many a second, until it is left or at the last ticket.

    ``made`` tells when, by ticket.
    """

    def __init__(self, base_url: str, tickets: Sequence[int], rate: float) -> None:
        self.made: dict[int, float] = {}
        self.error: httpx.HTTPError | None = None
        self._zendesk = SampleZendeskControl(base_url)
        self._tickets = tickets
        self._pause = 1 / rate
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        due = time.monotonic()
        for ticket in self._tickets:
            began = time.time()
            try:
                self._zendesk.update(ticket, comment=_COMMENT)
            except httpx.HTTPError as error:
                self.error = error
                return
            self.made[ticket] = began
            due += self._pause
            if self._enough.wait(max(0.0, due - time.monotonic())):
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
        self._zendesk.close()
        if self.error is not None and kind is None:
            raise StackError(f"a ticket could not be changed: {self.error}")


def run(*, tickets: int, workers: int, note: Note) -> list[Findings]:
    """Change tickets of a quiet account, and again while all of it is imported: each way, at each rate."""
    found = []
    for way in _POLL_SECONDS:
        alone: dict[int, Freshness] = {}
        busy: dict[int, Freshness] = {}
        imports: dict[int, float] = {}
        for rate in RATES:
            alone[rate], busy[rate], imports[rate] = _at_rate(way, rate, tickets, workers, note)
        found.append(_findings(way, tickets, alone, busy, imports))
    return found


def _at_rate(
    way: Way, rate: int, tickets: int, workers: int, note: Note
) -> tuple[Freshness, Freshness, float]:
    options = StackOptions(sample=True, tickets=tickets, sample_no_limits=True)
    settings = {"ZENDESK__POLL_SECONDS": _POLL_SECONDS[way]}
    with (
        BenchStack(options, workers=workers, overrides=settings) as stack,
        stack.zendesk() as zendesk,
        _receiver(stack, way) as server,
    ):
        if server is not None:
            hook = Hook(url=server.hook_url, secret=server.webhook_secret, events="comment_added$")
            zendesk.add_webhook(hook)
        stack.start_workers()
        changeable = [
            truth["id"]
            for truth in zendesk.truth()
            if not truth["removed"] and truth["ticket"]["status"] != "closed"
        ]
        # In no order of the account's: in an import some are imported already, some not.
        random.Random(1).shuffle(changeable)
        seconds = min(_QUIET_SECONDS[rate], tickets / _TICKETS_A_QUIET_SECOND)
        few = min(math.ceil(rate * seconds), len(changeable) // 2)
        note(f"{way}: {few:,} changes, {rate} a second")
        with _Changes(stack.zendesk_url, changeable[:few], rate) as changes:
            changes.join()
        quiet = asyncio.run(_followed(stack, changes.made))
        note(f"{way}: {rate} changes a second while {tickets:,} tickets are imported, {workers} workers")
        with _Changes(stack.zendesk_url, changeable[few:], rate) as meanwhile:
            imported = measured_import(stack)
        return quiet, asyncio.run(_followed(stack, meanwhile.made)), imported.tickets_per_second


def _receiver(stack: BenchStack, way: Way) -> AbstractContextManager[Server | None]:
    return serving(stack) if way == "webhook" else nullcontext()


def _findings(
    way: Way,
    tickets: int,
    alone: Mapping[int, Freshness],
    busy: Mapping[int, Freshness],
    imports: Mapping[int, float],
) -> Findings:
    figures: list[Figure] = []
    rows: dict[str, Freshness] = {}
    for rate in RATES:
        for name, one in (("alone", alone[rate]), (f"while {tickets:,} are imported", busy[rate])):
            label = f"{rate} a second, {name}"
            rows[label] = one
            figures += [
                plain(f"{label}: changes", one.changes),
                plain("  made at", one.rate, "a second"),
                plain("  searchable after, p50", one.p50, "s"),
                at_most("  p95", one.p95, _SOONER.get((way, rate), _GOAL_SECONDS), "s"),
                plain("  p99", one.p99, "s"),
                plain("  longest", one.longest, "s"),
            ]
        figures.append(plain("  the import meanwhile", imports[rate], "tickets/s"))
    chart = Chart(
        title=f"By {way}: from the change to searchable",
        unit="s",
        labels=list(rows),
        series=[
            Series(name=name, values=[getattr(one, name) for one in rows.values()])
            for name in ("p50", "p95", "p99")
        ],
    )
    return Findings(
        scenario=f"by {way}",
        figures=figures,
        measured={"alone": alone, "in an import": busy, "imports": imports},
        charts=[chart],
    )


async def _followed(stack: BenchStack, made: Mapping[int, float]) -> Freshness:
    """Wait until each change has its receipt, and return the time it took; raises StackError."""
    settings: Settings = stack.settings
    seconds: dict[int, float] = {}
    try:
        async with (
            asyncio.timeout(_LAST_SECONDS),
            TopicReader(settings.cluster, [INDEXED]) as reader,
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
        raise StackError(
            f"{len(missing)} of {len(made)} changes are not searchable, of ticket {missing[0]} first"
        ) from None
    ordered = sorted(seconds.values())
    took = max(made.values()) - min(made.values())
    return Freshness(
        changes=len(ordered),
        rate=round((len(made) - 1) / took, 2) if took else 0.0,
        p50=_share(ordered, 0.5),
        p95=_share(ordered, 0.95),
        p99=_share(ordered, 0.99),
        longest=round(ordered[-1], 3),
    )


def _share(ordered: Sequence[float], share: float) -> float:
    """Return the value that so much of all does not exceed."""
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 3)
