"""The engine of a stage: many messages at once, and a crash loses none.

For each message, in this order:

1. the records of a stage are sent, and the broker has acknowledged them (or the sink has written);
2. the tables are written, changelogs acknowledged;
3. the offset is acknowledged, when those of all messages before it in the partition are.

1 and 2 go in offset order as a rule. A message that would wait too long for an earlier one, which is slow or
tried again, passes it; the messages of one key never pass each other. After a crash a message that had passed
comes once more, and is recognised by its entries in the tables.

Faust by itself would commit past unfinished messages. Here a message is acknowledged only when all before it
in the partition have had their effects, which keeps Faust's commit exact. A message that can succeed later is
retried until it does; one that never can becomes a dead letter.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import TYPE_CHECKING, Any

import structlog

from agents.app.part import Part
from agents.app.tables import Tables
from agents.engine.attempts import Attempts
from agents.engine.handling import MessageContext
from agents.engine.outcomes import Handler, Outcome
from agents.engine.partition_queue import PartitionQueue, Queued
from agents.engine.places import Place
from agents.engine.retried_letters import carry_retry_headers
from agents.engine.settling import Ledger, Locks, Settling
from streams.kafka.messages import Incoming, incoming
from streams.kafka.positions import Positions
from streams.kafka.producer import BATCH_LEAVES_AT, Producer
from streams.limits.gate import Gate
from streams.metrics import StageMetrics
from streams.retries import FOREVER, RetryPolicy

if TYPE_CHECKING:
    from streams.telemetry.tracing import Tracing

Entry = Callable[[int], AbstractAsyncContextManager[int]]
_RELEASE_AT_ONCE = 500
_GATHER_SECONDS = 0.03
_PATIENCE_SECONDS = 0.5
"""How long finished messages wait for an unfinished one before them: in order they share calls to Kafka."""
HELD_BYTES = 64 * 1024 * 1024


class Engine(Part):
    """Runs the messages of one stage through its handler; see the module's text for the order kept.

    ``working`` is how many handlers run at once (a gate: as many as it lets in), ``held`` how many messages
    may be between arrival and the end of their effects, and ``ahead`` how many more may have had their
    effects and wait only until one before them is acknowledged (all for the whole worker). While messages of
    ``held_bytes`` are held, none is taken in. ``locks`` are shared by engines that write the same tables. The
    engine writes to ``positions`` how far it is. ``may_overtake`` says that a message need not wait for an
    earlier one of its key; the earlier one's ``is_current`` must then tell that it was overtaken. ``entry``
    waits until messages may be sent on, and yields how many of those asked for, at least one. ``retry`` says
    how to wait between attempts; it must not give up.
    """

    def __init__(
        self,
        stage: str,
        handler: Handler,
        *,
        app: Any,
        producer: Producer,
        tables: Tables,
        ledger: Ledger,
        metrics: StageMetrics,
        positions: Positions,
        working: int | Gate,
        held: int,
        ahead: int = 0,
        held_bytes: int = HELD_BYTES,
        locks: Locks | None = None,
        may_overtake: Callable[[Incoming], bool] = lambda _: False,
        entry: Entry | None = None,
        retry: RetryPolicy = FOREVER,
        tracing: Tracing | None = None,
    ) -> None:
        self.stage = stage
        self._handler = handler
        self._app = app
        self._metrics = metrics
        self._positions = positions
        self._working = asyncio.Semaphore(working) if isinstance(working, int) else working
        self._held_limit = held
        metrics.held_limit.inc(held)
        self._held = 0
        self._held_bytes = 0
        self._held_bytes_limit = held_bytes
        self._ahead_limit = ahead
        self._ahead = 0
        self._changed = asyncio.Condition()
        self._queues: dict[tuple[str, int], PartitionQueue] = {}
        self._releasers: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._may_overtake = may_overtake
        self._entry = entry
        self._resting: set[Place] = set()
        self._attempts = Attempts(stage, metrics, retry)
        self._settling = Settling(
            stage,
            producer=producer,
            tables=tables,
            ledger=ledger,
            metrics=metrics,
            locks=defaultdict(asyncio.Lock) if locks is None else locks,
            attempts=self._attempts,
        )
        self._tracing = tracing
        self._log = structlog.get_logger()  # one for all messages: making one costs more than the line

    @property
    def held(self) -> int:
        """Messages between arrival and the end of their effects."""
        return self._held

    @property
    def at_work(self) -> int:
        """Held messages, without those that only wait, such as for their next attempt."""
        return self._held - len(self._resting)

    @property
    def _is_full(self) -> bool:
        held = self._held + max(0, self._ahead - self._ahead_limit)
        return held >= self._held_limit or self._held_bytes >= self._held_bytes_limit

    def oldest(self) -> dict[tuple[str, int], float]:
        """Return when the oldest held message of each topic and partition was put there (Unix seconds)."""
        return {
            place: queued.event.message.timestamp
            for place, queue in self._queues.items()
            if (queued := queue.oldest)
        }

    async def put(self, event: Any) -> None:
        """Take in an event of the stage's topic; waits while too much is held."""
        raw = event.message
        if raw.generation_id != self._app.consumer_generation_id:
            return  # from before a rebalance: it comes again, here or elsewhere
        while self._is_full:
            async with self._changed:
                await self._changed.wait_for(lambda: not self._is_full)
        if raw.generation_id != self._app.consumer_generation_id:
            return
        message = incoming(event)
        self._metrics.received.inc()
        place = (raw.topic, raw.partition)
        queue = self._queues.get(place)
        if queue is None:
            queue = self._queues[place] = PartitionQueue()
            self._positions.released.setdefault(place, raw.offset)
            self._releasers[place] = asyncio.create_task(self._release(queue, place))
        queued = Queued(event, message)
        self._positions.arrived[place] = raw.offset
        self._positions.oldest.setdefault(place, raw.offset)
        self._held += 1
        self._held_bytes += queued.size
        self._metrics.held.inc()
        before = queue.add(queued)
        queued.task = asyncio.create_task(self._work(queue, queued, before))

    async def _work(self, queue: PartitionQueue, queued: Queued, before: Queued | None) -> None:
        if before is not None and not self._may_overtake(queued.message):
            await before.settled.wait()
        async with Place(self._working, self._resting):
            done = await self._handled(queued.message)
        if done.ahead_of_order and (done.is_current is None or done.is_current()):
            # No table says yet that these records were sent. After a crash they are sent once more, and the
            # next stage recognises the repeat by its own table.
            await self._settling.send(done.records)
            done.records = []
        queue.finish(queued, done)

    async def _handled(self, message: Incoming) -> Outcome:
        started = time.perf_counter()
        with MessageContext(self.stage, message, self._tracing) as handling:
            try:
                if reason := _needs_no_work(message):
                    done = Outcome("skipped", reason=reason)
                else:
                    outcome = await self._attempts.outcome(self._handler, handling.message)
                    done = carry_retry_headers(message, outcome)
            finally:
                self._attempts.over(handling.message)
            handling.ended(done)
            self._log.debug("handled", verdict=done.verdict, reason=done.reason)
        self._metrics.seconds.observe(time.perf_counter() - started)
        return done

    async def _release(self, queue: PartitionQueue, place: tuple[str, int]) -> None:
        while True:
            batch = await queue.finished(_RELEASE_AT_ONCE, _PATIENCE_SECONDS)
            if batch[0] is queue.oldest and len(batch) < BATCH_LEAVES_AT and len(queue) > len(batch):
                # Others of this partition are still worked on. Those that finish within this pause are
                # settled in the same calls to Kafka.
                await asyncio.sleep(_GATHER_SECONDS)
                batch = queue.prefix(_RELEASE_AT_ONCE)
            started = time.perf_counter()
            if self._entry is not None and (sending := sum(map(_sends, batch))):
                async with self._entry(sending) as allowed:
                    batch = _up_to(batch, allowed)
                    leading = await self._settled(queue, batch, place)
            else:
                leading = await self._settled(queue, batch, place)
            for queued in leading:
                queued.event.ack()
            queue.acknowledged(leading)
            if leading:
                self._note_released(queue, place, leading[-1].message.offset)
            self._metrics.batch_seconds.observe(time.perf_counter() - started)
            self._metrics.batch_messages.observe(len(batch))
            self._ahead += len(batch) - len(leading)
            passed = self._positions.passed
            passed[place] = passed.get(place, 0) + len(batch) - len(leading)
            if not leading:
                for queued in batch:
                    queued.let_go()
            await self._let_go(len(batch), sum(queued.size for queued in batch))

    def _note_released(self, queue: PartitionQueue, place: tuple[str, int], offset: int) -> None:
        self._positions.released[place] = offset + 1
        if queue.oldest is None:
            self._positions.oldest.pop(place, None)
        else:
            self._positions.oldest[place] = queue.oldest.message.offset

    async def _settled(
        self, queue: PartitionQueue, batch: list[Queued], place: tuple[str, int]
    ) -> list[Queued]:
        """Write the effects of these messages; returns the oldest ones, which may be acknowledged now."""
        leading = queue.leading(batch)
        await self._settling.settle(batch, leading, place[1])
        queue.settle(batch)
        return leading

    async def _let_go(self, count: int, size: int) -> None:
        self._held -= count
        self._held_bytes -= size
        self._metrics.held.dec(count)
        async with self._changed:
            self._changed.notify_all()

    async def let_go(self) -> None:
        """Drop all that is unacknowledged: after a rebalance it comes again, here or elsewhere."""
        tasks = list(self._releasers.values())
        self._releasers.clear()
        held = 0
        for queue in self._queues.values():
            held += queue.unsettled
            tasks += [queued.task for queued in queue.abandon() if queued.task is not None]
        for place in self._queues:
            self._positions.forget_arrivals(place)
        self._queues.clear()
        self._ahead = 0
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._let_go(held, self._held_bytes)

    async def finish(self, seconds: float) -> None:
        """Wait until all that was taken in is acknowledged, at most so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: self._held == 0)


def _needs_no_work(message: Incoming) -> str:
    """Return why a message needs no work; "" for one that is to be worked on."""
    if message.value is None and message.envelope.is_moved:
        return "moved"
    return "part" if message.envelope.is_part else ""


def _sends(queued: Queued) -> bool:
    return queued.done is not None and bool(queued.done.records)


def _up_to(prefix: list[Queued], sending: int) -> list[Queued]:
    """Return the first messages of a prefix, no more than so many of which send something."""
    for index, queued in enumerate(prefix):
        if _sends(queued):
            if sending == 0:
                return prefix[:index]
            sending -= 1
    return prefix
