"""Names by id in batches: many tickets that need names at once share one call, and one answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Final, NamedTuple

from cachetools import TTLCache

from schemas.lanes import Lane

Close = Callable[[], list[int]]


class Found(NamedTuple):
    """All names found, the calls made for them, and the ids whose names Zendesk refused to tell."""

    names: Mapping[int, str]
    calls: int
    refused: Iterable[int] = ()


Fetch = Callable[[Close, Lane], Awaitable[Found]]
"""Fetches names: calls the first argument, late, for the ids."""

_REFUSED_SECONDS: Final = 60.0


class _Batch:
    __slots__ = ("calls", "done", "ids")

    def __init__(self) -> None:
        self.ids: dict[int, None] = {}
        self.done: asyncio.Future[Mapping[int, str]] = asyncio.get_running_loop().create_future()
        self.calls = 0


class Lookups:
    """Names of one kind.

    The first id that ``cache`` lacks opens a batch; more join it for ``gather_seconds`` (of a backfill:
    ``backfill_seconds``, as calls are scarcer there than time), and after that for as long as its call
    waits for its turn at the rate limit, up to ``most`` ids. An id on
    its way is not asked for again. A live look-up never waits for a backfill's call. Ids that the
    answer lacks have the name ``""``, and are remembered like others; so have those it refuses, for a minute
    only. ``hits`` and ``misses`` count ids.
    """

    def __init__(
        self,
        fetch: Fetch,
        cache: MutableMapping[int, str],
        *,
        most: int,
        gather_seconds: float = 0.005,
        backfill_seconds: float = 0.1,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._cache = cache
        self._refused: TTLCache[int, str] = TTLCache(10_000, _REFUSED_SECONDS, timer)
        self._most = most
        self._gather_seconds: dict[Lane, float] = {"live": gather_seconds, "backfill": backfill_seconds}
        self._open: dict[Lane, _Batch] = {}
        self._on_their_way: dict[Lane, dict[int, _Batch]] = {"live": {}, "backfill": {}}
        self._tasks: set[asyncio.Task[None]] = set()
        self.hits = self.misses = 0

    async def names(self, ids: Iterable[int], lane: Lane) -> tuple[dict[int, str], int]:
        """Return the names of the ids, and how many calls were made on behalf of this look-up.

        A call that several look-ups share counts for the one that opened its batch. Raises what the
        call raises, for everybody who waits for it.
        """
        found: dict[int, str] = {}
        batches: dict[_Batch, list[int]] = {}
        opened: list[_Batch] = []
        for one in ids:
            name = self._cache.get(one)
            if name is None:
                name = self._refused.get(one)
            if name is not None:
                found[one] = name
                continue
            batch = self._on_their_way["live"].get(one)
            if batch is None and lane == "backfill":
                batch = self._on_their_way["backfill"].get(one)
            if batch is None:
                batch, is_new = self._join(one, lane)
                if is_new:
                    opened.append(batch)
            batches.setdefault(batch, []).append(one)
        self.hits += len(found)
        self.misses += sum(len(wanted) for wanted in batches.values())
        if batches:
            # wait() leaves the futures alone when this look-up is cancelled: others wait for them too.
            await asyncio.wait([batch.done for batch in batches])
        for batch, wanted in batches.items():
            answer = batch.done.result()
            found.update((one, answer.get(one, "")) for one in wanted)
        return found, sum(batch.calls for batch in opened)

    def _join(self, one: int, lane: Lane) -> tuple[_Batch, bool]:
        batch = self._open.get(lane)
        is_new = batch is None
        if batch is None:
            batch = self._open[lane] = _Batch()
            task = asyncio.create_task(self._run(batch, lane))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        batch.ids[one] = None
        self._on_their_way[lane][one] = batch
        if len(batch.ids) >= self._most:
            del self._open[lane]
        return batch, is_new

    async def _run(self, batch: _Batch, lane: Lane) -> None:
        def close() -> list[int]:
            if self._open.get(lane) is batch:
                del self._open[lane]
            return list(batch.ids)

        try:
            await asyncio.sleep(self._gather_seconds[lane])
            names, batch.calls, refused = await self._fetch(close, lane)
            self._refused.update(dict.fromkeys(refused, ""))
            # All that came is remembered: a list of groups names more than was asked for.
            lacking = (one for one in batch.ids if one not in self._refused)
            self._cache.update({**dict.fromkeys(lacking, ""), **names})
            batch.done.set_result(names)
        except BaseException as error:
            batch.done.set_exception(
                error if isinstance(error, Exception) else asyncio.CancelledError("the look-up was cancelled")
            )
            batch.done.exception()  # nobody may be left to hear it
            if not isinstance(error, Exception):
                raise
        finally:
            close()
            for one in batch.ids:
                self._on_their_way[lane].pop(one, None)
