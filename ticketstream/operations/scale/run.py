"""A change of the number of partitions, from the first look to the last offset.

1. nobody is at work, and what is in flight is finished;
2. a topic is made whose name says that a change has begun: from now on no worker starts;
3. every topic grows;
4. the newest message of each key whose partition changes is copied there, and its old place emptied;
5. imports and what was spent are adapted;
6. the workers' offsets are set behind what has moved, so that nothing of it is worked on again, and the
   resume points with them;
7. that topic is deleted.

Killed before 3 it begins anew; from there on, doing it again leads to the same end: what has grown or moved
is found as it is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from typing import Final

import msgspec

from agents.worker.slot import taken_slots
from schemas.errors import ConflictError
from schemas.scaling import scale_marker
from schemas.settings.load import Settings
from schemas.tables import EmbeddingSpent
from streams.kafka.messages import Record
from streams.kafka.offset_ranges import OffsetRange, RangeReader
from streams.kafka.producer import Producer
from streams.retries import RetryPolicy, retrying
from ticketstream.operations.progress import ProgressHook
from ticketstream.operations.scale import adapt
from ticketstream.operations.scale.broker import Broker
from ticketstream.operations.scale.drain import IN_FLIGHT, WAITING, drain, unfinished, without_workers
from ticketstream.operations.scale.homes import COPIED, IMPORTS, MOVED, SPENDING, Change
from ticketstream.operations.scale.lock import only_one
from ticketstream.operations.scale.move import Move
from ticketstream.operations.scale.plan import (
    Outcome,
    Plan,
    change_of,
    check_caps,
    listed,
    plan_of,
    require_even,
)
from ticketstream.operations.scale.scan import Scan, groups, messages_of

_ATTEMPTS: Final = 8
_JOINING_SECONDS: Final = 2.0


async def scale(
    settings: Settings, wanted: int, *, dry_run: bool, progress: ProgressHook, planned: Callable[[Plan], None]
) -> Outcome:
    """Give every topic ``wanted`` partitions, or with ``dry_run`` say what that would do.

    ``planned`` hears the plan before anything is done. Raises ConflictError and other UserErrors for what
    cannot be done, UnavailableError when Kafka goes away: then run it again.
    """
    async with AsyncExitStack() as stack:
        broker = await stack.enter_async_context(Broker(settings.cluster))
        change = await _change(broker, wanted)
        check_caps(settings, wanted)
        if change is not None and not dry_run:
            await stack.enter_async_context(only_one(settings.cluster, settings.data_dir))
            change = await _change(broker, wanted)  # another one may have been at work until now
        if change is None:
            plan = plan_of(Change(wanted, wanted), await broker.counts(), {}, resumes=False)
            return Outcome(status="unchanged", plan=plan)
        return await _Scale(settings, broker, change, progress).run(dry_run=dry_run, planned=planned)


async def _change(broker: Broker, wanted: int) -> Change | None:
    return change_of(await broker.counts(), await broker.under_way(), wanted)


class _Scale:
    def __init__(self, settings: Settings, broker: Broker, change: Change, progress: ProgressHook) -> None:
        self._settings = settings
        self._cluster = settings.cluster
        self._broker = broker
        self._change = change
        self._progress = progress
        self._scan = Scan(change)

    async def run(self, *, dry_run: bool, planned: Callable[[Plan], None]) -> Outcome:
        counts = await self._broker.counts()
        # Marked, but nothing has grown: killed so early, it looks again at what is in flight.
        resumes = await self._broker.under_way() is not None and max(counts.values()) > self._change.before
        have = min(counts.values())
        await self._look(range(have))
        plan = plan_of(
            self._change,
            counts,
            self._scan.found,
            resumes=resumes,
            in_flight={} if resumes else await unfinished(self._settings, have, IN_FLIGHT),
            waiting=await unfinished(self._settings, have, WAITING),
            workers=await self._broker.workers(),
        )
        planned(plan)
        if dry_run:
            return Outcome(status="planned", plan=plan)
        began = time.monotonic()
        await self._alone()
        if not resumes:
            await self._drained(have)
        moved = await self._carry_out()
        return Outcome(status="done", plan=plan, moved=moved, seconds=time.monotonic() - began)

    async def _alone(self) -> None:
        if here := taken_slots(self._settings.data_dir):
            number = f"{here} workers are" if here > 1 else "a worker is"
            raise ConflictError(
                f"{number} still running on this machine: stop all workers (Ctrl-C or SIGTERM), "
                "then run this again"
            )
        self._progress("waiting until Kafka counts no worker in any more", "")
        await without_workers(self._broker)

    async def _drained(self, partitions: int) -> None:
        """Finish what is in flight, and keep workers from starting; both hold at once at the end."""
        while True:
            if await self._broker.under_way() is not None:
                await self._broker.end(self._change)
            if left := await unfinished(self._settings, partitions):
                require_even(await self._broker.counts(), left)
                self._progress("finishing what is in flight", "")
                await drain(
                    self._settings,
                    partitions,
                    lambda left: self._progress("finishing what is in flight", listed(left)),
                )
                await self._alone()
            await self._broker.begin(self._change)
            # A worker that was starting just then, and saw no mark, is a member of the group soon.
            await asyncio.sleep(_JOINING_SECONDS)
            if not await self._broker.workers() and not await unfinished(self._settings, partitions):
                return
            await self._alone()

    async def _carry_out(self) -> int:
        after = self._change.after
        self._progress("making partitions", f"{after} for every topic")
        await self._broker.grow(after)
        await self._check_alone()
        await self._look(range(after))
        async with AsyncExitStack() as stack:
            producer = Producer(self._cluster, "ticketstream-scale")
            await retrying(producer.start, _POLICY)
            stack.push_async_callback(producer.stop)

            async def send(records: Iterable[Record]) -> None:
                some = list(records)
                await retrying(lambda: producer.send(some), _POLICY)

            moved = await self._move(send)
            self._progress("adapting imports and daily caps", "")
            await self._spread(send)
            await self._move_imports(send)
            await self._check_alone()
            self._progress("setting the workers' offsets", "")
            ends = await self._broker.acknowledge(IN_FLIGHT, after)
            await send(adapt.resume_records(ends, time.time()))
        await self._broker.end(self._change)
        return moved

    async def _check_alone(self) -> None:
        if workers := await self._broker.workers():
            raise ConflictError(
                f"a worker has started meanwhile ({workers[0]}): stop it, then run this again to its end"
            )

    async def _look(self, partitions: range) -> None:
        """Find what moves."""
        async with RangeReader(self._cluster) as reader:
            spans = await reader.spans((*MOVED, *COPIED), partitions)
            total, read = messages_of(spans.values()), 0

            def heard(messages: int) -> None:
                nonlocal read
                read += messages
                self._progress("looking for keys that move", f"{read:,} of {total:,} messages")

            self._progress("looking for keys that move", "")
            await self._scan.look(reader, spans, heard)

    async def _move(self, send: Callable[[Iterable[Record]], Awaitable[None]]) -> int:
        move = Move(self._change, send, copied=COPIED)
        began, total = time.monotonic(), self._scan.keys

        def heard(_: int) -> None:
            rate = move.moved / max(time.monotonic() - began, 1e-3)
            left = (total - move.moved) / rate
            self._progress("moving keys", f"{move.moved:,} of {total:,}, {left:.0f} s left,")

        self._progress("moving keys", f"{total:,}")
        async with RangeReader(self._cluster) as reader:
            spans = {
                place: OffsetRange(0, found.offsets[0], found.end)
                for place, found in self._scan.found.items()
                if found.offsets
            }
            await move.run(reader, spans, self._scan.found, heard)
        return move.moved

    async def _entries(self, topic: str, partitions: int) -> dict[tuple[int, bytes], bytes]:
        newest = adapt.Newest()
        async with RangeReader(self._cluster) as reader:
            for group in groups(await reader.spans([topic], range(partitions))):
                async for batch in reader.read(group):
                    for raw in batch.records:
                        newest.add(raw)
        return newest.entries

    async def _spread(self, send: Callable[[Iterable[Record]], Awaitable[None]]) -> None:
        """Share out what was spent; the sum is written down first, as half of it is none."""
        marker = scale_marker(*self._change)
        noted = await self._entries(marker, 1)
        if noted:
            total = msgspec.json.decode(noted[0, SPENDING.encode()], type=EmbeddingSpent)
        else:
            found = adapt.total_spent((await self._entries(SPENDING, self._change.after)).values())
            if found is None:
                return
            total = found
            await send([Record(marker, 0, SPENDING.encode(), msgspec.json.encode(total))])
        await send(adapt.spending_records(total, self._change.after))

    async def _move_imports(self, send: Callable[[Iterable[Record]], Awaitable[None]]) -> None:
        after = self._change.after
        async with RangeReader(self._cluster) as reader:
            ends = {
                place: span.end for place, span in (await reader.spans(adapt.REPLAYED, range(after))).items()
            }
        entries = await self._entries(IMPORTS, after)
        copies, stands = adapt.import_records(entries, self._change, ends)
        await send(copies)
        await send(stands)


_POLICY: Final = RetryPolicy(attempts=_ATTEMPTS)
