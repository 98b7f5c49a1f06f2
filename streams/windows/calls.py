"""Windowed buffers: items of many callers gathered into few calls.

A window closes when it holds so many items, or so much weight, or when its first item has waited so
long, whichever comes first. WindowBuffer is the rule alone (no clock, no I/O); WindowedCalls runs it
under asyncio.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from schemas.lanes import Lane
from streams.windows.buffer import Item, Varying, WindowBuffer, read_varying

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Failed:
    """In the place of a result: this one item failed, the others of its window did not."""

    error: Exception


class _Caller(Generic[Result]):
    """One ``submit`` and what is still owed to it."""

    __slots__ = ("done", "missing", "results")

    def __init__(self, count: int, done: asyncio.Future[None]) -> None:
        self.results: list[Result | None] = [None] * count
        self.missing = count
        self.done = done

    def deliver(self, index: int, result: Result) -> None:
        self.results[index] = result
        self.missing -= 1
        if not self.missing and not self.done.done():
            self.done.set_result(None)

    def fail(self, error: BaseException) -> None:
        if not self.done.done():
            self.done.set_exception(error)

    def abandon(self) -> None:
        if not self.done.cancel() and not self.done.cancelled():
            self.done.exception()  # seen, so that asyncio does not report it as lost


@dataclass(frozen=True, slots=True)
class _Entry(Generic[Item, Result]):
    caller: _Caller[Result]
    index: int
    item: Item


def _give_up(entry: _Entry[Item, Result]) -> bool:
    entry.caller.done.cancel()
    return True


class _LaneState(Generic[Item, Result]):
    def __init__(
        self,
        buffer: WindowBuffer[_Entry[Item, Result]],
        slots: Callable[[], float],
        max_queued: Callable[[], float],
    ) -> None:
        self.buffer = buffer
        self._slots = slots
        self._max_queued = max_queued
        self.calls: set[asyncio.Task[None]] = set()
        self.timer: asyncio.TimerHandle | None = None
        self.due: float | None = None
        """When the timer fires."""
        self.turn = asyncio.Lock()
        self.room = asyncio.Event()

    @property
    def slots(self) -> float:
        return self._slots()

    @property
    def max_queued(self) -> float:
        return self._max_queued()


class WindowedCalls(Generic[Item, Result]):
    """Gathers the items of many concurrent callers into windows and scatters the results back.

    ``call`` gets a window, a list of items, and returns as many results in the same order; a result
    may be ``Failed(error)``, which fails only the caller of that item. What ``call`` raises goes to
    every caller with an item in that window, and to nobody else.

    Live items have buffers and slots of their own, because a backfill call may wait long for its
    quota: up to ``in_flight`` backfill calls and ``live_in_flight`` live calls run at once. A live
    window closes after ``live_seconds``, a backfill window after ``max_seconds``. ``weight`` gives the
    weight of an item (1 each by default). At most ``max_queued`` items a lane wait (by default two
    windows for each slot); beyond that ``submit`` waits, which is the back-pressure. Sizes may vary: a
    function is asked each time.
    """

    def __init__(
        self,
        call: Callable[[list[Item]], Awaitable[Sequence[Result | Failed]]],
        *,
        max_items: Varying,
        max_weight: Varying = float("inf"),
        max_seconds: float = 0.2,
        live_seconds: float = 0.01,
        in_flight: Varying = 4,
        live_in_flight: Varying = 2,
        weight: Callable[[Item], float] = lambda _: 1.0,
        max_queued: int | None = None,
    ) -> None:
        if read_varying(in_flight)() < 1 or read_varying(live_in_flight)() < 1:
            raise ValueError("windowed calls need at least one slot a lane")
        self._call = call
        self._weight = weight
        self._closed = False

        def lane_state(seconds: float, varying: Varying) -> _LaneState[Item, Result]:
            slots, most = read_varying(varying), read_varying(max_items)
            buffer: WindowBuffer[_Entry[Item, Result]] = WindowBuffer(
                max_items=max_items, max_weight=max_weight, max_seconds=seconds
            )
            return _LaneState(buffer, slots, lambda: max_queued or 2 * slots() * most())

        self._lanes: dict[Lane, _LaneState[Item, Result]] = {
            "live": lane_state(min(live_seconds, max_seconds), live_in_flight),
            "backfill": lane_state(max_seconds, in_flight),
        }

    async def submit(self, items: Sequence[Item], *, lane: Lane = "backfill") -> list[Result]:
        """Return the results of the items, in their order.

        Raises what ``call`` raised for any of the items, or RuntimeError after ``close``. Cancelling
        a caller takes its waiting items out and touches no other caller.
        """
        if self._closed:
            raise RuntimeError("submitted to windowed calls that are closed")
        if not items:
            return []
        state = self._lanes[lane]
        caller: _Caller[Result] = _Caller(len(items), asyncio.get_running_loop().create_future())
        try:
            await self._queue(state, caller, items)
            await caller.done
        except BaseException:
            caller.abandon()
            if state.buffer.discard(lambda entry: entry.caller is caller):
                self._advance(state)
            raise
        results: list[Result] = caller.results  # type: ignore[assignment]  # all are delivered
        return results

    async def _queue(
        self, state: _LaneState[Item, Result], caller: _Caller[Result], items: Sequence[Item]
    ) -> None:
        clock = asyncio.get_running_loop().time
        # One caller queues at a time: first come, first served, and a caller's items stay together.
        async with state.turn:
            for index, item in enumerate(items):
                while len(state.buffer) >= state.max_queued and not caller.done.done():
                    self._advance(state)
                    if len(state.buffer) < state.max_queued:
                        break
                    state.room.clear()
                    await state.room.wait()
                if caller.done.done():
                    return
                if self._closed:
                    raise RuntimeError("windowed calls were closed while items still waited for room")
                if state.buffer.add(_Entry(caller, index, item), self._weight(item), clock()):
                    self._advance(state)
            self._advance(state)

    def due(self, lane: Lane) -> bool:
        """Say whether a window of this lane is due and waits for a slot."""
        closes_at = self._lanes[lane].buffer.closes_at()
        return closes_at is not None and closes_at <= asyncio.get_running_loop().time()

    @property
    def running(self) -> int:
        """Calls under way."""
        return sum(len(state.calls) for state in self._lanes.values())

    def flush(self) -> None:
        """Close every open window now; for a caller who knows that nothing more comes soon."""
        for state in self._lanes.values():
            state.buffer.flush()
            self._advance(state)

    async def close(self, *, timeout: float | None = None) -> None:
        """Take no more items, finish those that wait, and return when all calls have ended.

        After ``timeout`` seconds the calls still running are cancelled, and so are their callers.
        """
        self._closed = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while any(state.buffer or state.calls for state in self._lanes.values()):
                    self.flush()
                    await asyncio.wait([call for state in self._lanes.values() for call in state.calls])
        left: list[asyncio.Task[None]] = []
        for state in self._lanes.values():
            if state.timer is not None:
                state.timer.cancel()
            state.buffer.discard(_give_up)
            state.room.set()
            left += state.calls
        for call in left:
            call.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def settle(self, timeout: float) -> None:
        """Wait until the calls under way have ended, at most ``timeout`` seconds, and cancel those left.

        For when nobody waits for results any more, but what has begun must not go on behind one's back.
        """
        running = [call for state in self._lanes.values() for call in state.calls]
        if running:
            _, left = await asyncio.wait(running, timeout=timeout)
            for call in left:
                call.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    def _advance(self, state: _LaneState[Item, Result]) -> None:
        """Start every call that is due and has a slot, and set the clock for the next."""
        loop = asyncio.get_running_loop()
        # A timer may fire up to a millisecond early (uvloop's are that coarse).
        while len(state.calls) < state.slots and (window := state.buffer.take(loop.time() + 0.001)):
            # The call is made for many callers. Context variables of the one that starts it (its log
            # fields, its span) must not leak into the shared task.
            task = loop.create_task(self._run(window), context=contextvars.Context())
            state.calls.add(task)
            task.add_done_callback(lambda done: self._ended(state, done))
        if len(state.buffer) < state.max_queued or self._closed:
            state.room.set()
        closes_at = state.buffer.closes_at() if len(state.calls) < state.slots else None
        if closes_at != state.due:  # nearly every item finds the clock set already
            if state.timer is not None:
                state.timer.cancel()
            state.due = closes_at
            state.timer = None if closes_at is None else loop.call_at(closes_at, self._due, state)

    def _due(self, state: _LaneState[Item, Result]) -> None:
        state.timer = state.due = None
        self._advance(state)

    def _ended(self, state: _LaneState[Item, Result], call: asyncio.Task[None]) -> None:
        state.calls.discard(call)
        self._advance(state)

    async def _run(self, window: list[_Entry[Item, Result]]) -> None:
        try:
            results = await self._call([entry.item for entry in window])
            if len(results) != len(window):
                raise RuntimeError(f"a call answered {len(window)} items with {len(results)} results")
        except asyncio.CancelledError:
            for entry in window:
                entry.caller.done.cancel()
            raise
        except Exception as error:
            for entry in window:
                entry.caller.fail(error)
            return
        for entry, result in zip(window, results, strict=True):
            if isinstance(result, Failed):
                entry.caller.fail(result.error)
            else:
                entry.caller.deliver(entry.index, result)
