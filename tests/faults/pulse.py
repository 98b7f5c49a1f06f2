"""Follows what the pipeline sends, from outside: what came when, and what came twice."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Any, NamedTuple, Self

import msgspec

from schemas.cluster import Cluster
from schemas.errors import UnavailableError
from schemas.messages.tickets import Origin
from schemas.topics import EMBEDDED, ENRICHED, INDEXED
from streams.kafka.topic_reader import TopicReader

COMMIT_SECONDS = 1.5
"""Offsets are committed every half second (agents.app.faust_app); with the way to the broker and a busy
machine."""


class _Value(msgspec.Struct):
    """What messages of all three topics have in common, and the little that some of them have."""

    account: str
    ticket_id: int
    version: int
    origin: Origin
    passages: list[msgspec.Raw] = []
    removed: bool = False
    texts_embedded: int = 0
    outcome: str = ""


class Sent(NamedTuple):
    """One message: when it was seen (monotonic seconds), where it lies, what it says."""

    seen: float
    topic: str
    partition: int
    offset: int
    value: _Value


class Pulse:
    """Everything sent for one account, in the order it was seen. Use as ``async with``.

    A Kafka that is away is waited for; each message is held once.
    """

    def __init__(self, cluster: Cluster, account: str) -> None:
        self._cluster = cluster
        self._account = account
        self._decoder = msgspec.json.Decoder(_Value)
        self._next: dict[tuple[str, int], int] = defaultdict(int)
        self._news = asyncio.Event()
        self.sent: list[Sent] = []
        self.most_in_flight = 0
        """The most tickets that were between enrich and the end at once: on ``tickets.enriched``, and without
        a receipt or with one younger than what a commit may lag behind."""
        self._flying: dict[int, tuple[int, float | None]] = {}
        self.indexed: dict[int, int] = {}
        """For each ticket, the newest version that has a receipt."""

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                async with TopicReader(self._cluster, [ENRICHED, EMBEDDED, INDEXED]) as reader:
                    while True:
                        self._take(await reader.next_batch(0.05))
            except UnavailableError:
                pass
            await asyncio.sleep(0.2)

    def _take(self, records: list[Any]) -> None:
        now = time.monotonic()
        for raw in records:
            place = (raw.topic, raw.partition)
            if raw.offset < self._next[place]:
                continue
            self._next[place] = raw.offset + 1
            with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError):  # poison
                value = self._decoder.decode(raw.value)
                if value.account == self._account:
                    self.sent.append(Sent(now, raw.topic, raw.partition, raw.offset, value))
                    if raw.topic == ENRICHED:
                        self._flying[value.ticket_id] = (value.version, None)
                    if raw.topic == INDEXED:
                        newest = max(value.version, self.indexed.get(value.ticket_id, 0))
                        self.indexed[value.ticket_id] = newest
                        version, landed = self._flying.get(value.ticket_id, (0, now))
                        if landed is None and newest >= version:
                            self._flying[value.ticket_id] = (version, now)
        self._flying = {
            ticket: (version, landed)
            for ticket, (version, landed) in self._flying.items()
            if landed is None or landed > now - COMMIT_SECONDS
        }
        self.most_in_flight = max(self.most_in_flight, len(self._flying))
        if records:
            self._news.set()

    async def wait(self, condition: Any, seconds: float, what: str) -> None:
        """Wait until the condition (a function) holds; it is looked at whenever something was sent."""
        deadline = time.monotonic() + seconds
        while not condition():
            if self._task.done():
                self._task.result()
            assert time.monotonic() < deadline, f"not after {seconds:.0f} s: {what}"
            self._news.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), 0.5)

    def first_since(self, moment: float, partitions: Collection[int]) -> float | None:
        """Return when, after a moment, the first message was sent in one of these partitions."""
        times = (each.seen for each in self.sent if each.seen > moment and each.partition in partitions)
        return min(times, default=None)

    def in_flight(self, topic: str, partitions: Collection[int]) -> list[int]:
        """Return the tickets that are on a topic, in these partitions, and have no receipt yet."""
        newest = {
            each.value.ticket_id: each.value.version
            for each in self.sent
            if each.topic == topic and each.partition in partitions
        }
        return [ticket for ticket, version in newest.items() if self.indexed.get(ticket, -1) < version]

    # What was done twice.

    def repeated(self, topic: str) -> int:
        """Return how many messages of a topic stem from a change that had one there already.

        Receipts count where they tell of a write; a message that came again and was passed over is none.
        """
        counts = Counter(
            each.value.origin
            for each in self.sent
            if each.topic == topic and each.value.outcome in ("", "indexed", "removed")
        )
        return sum(counts.values()) - len(counts)

    def texts_embedded_twice(self) -> int:
        """Return the texts that were embedded for a change another time."""
        return sum(again for first, again in self._texts())

    def _texts(self) -> Iterator[tuple[int, int]]:
        by_origin: dict[Origin, list[int]] = defaultdict(list)
        for each in self.sent:
            if each.topic == EMBEDDED:
                by_origin[each.value.origin].append(each.value.texts_embedded)
        for first, *again in by_origin.values():
            yield first, sum(again)

    def comment_calls_needed(self) -> int:
        """Return how many calls it takes to read the comments of each enriched change once."""
        pages = {
            each.value.origin: max(1, -(-len(each.value.passages) // 100))
            for each in self.sent
            if each.topic == ENRICHED and not each.value.removed
        }
        return sum(pages.values())
