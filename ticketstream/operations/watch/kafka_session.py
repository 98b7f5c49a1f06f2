"""One connection of the follower to Kafka: what is read, and the offsets that are asked for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError

from schemas.errors import UnavailableError
from schemas.topics import APP_ID
from streams.kafka.group_members import members_of
from streams.kafka.topic_admin import described
from streams.kafka.topic_reader import unreachable

CALL_SECONDS: Final = 5.0
_STOP_SECONDS: Final = 2.0
_FETCH_WAIT_MS: Final = 500
_FETCH_BYTES: Final = 256 * 1024
"""With less, the broker waits: half a second's receipts come in one answer, not in one each."""
_AT_ONCE: Final = 500
_EARLIER_SECONDS: Final = (
    *(7 * 86_400, 86_400, 6 * 3_600, 2 * 3_600, 3_600, 1_800, 900, 600, 420, 300, 240, 180, 120, 90, 60),
    *(45, 30, 20, 10, 5),
)
"""How long ago the ends of the topics are asked for at the start, to tell the age of what waits there."""


class Offsets(NamedTuple):
    """For each topic and partition: the offset after the last message, and before which all is done."""

    ends: dict[str, dict[int, int]]
    done: dict[str, dict[int, int]]


class KafkaSession:
    """Reads ``followed`` topics and asks for the offsets of ``measured`` ones; an async context manager.

    ``positions`` says where to read on, and is kept up to date; a partition that is not in it is read
    from its beginning, or from ``since`` seconds ago for the topics named there, or from so many offsets
    before its end for the topics in ``last``. Every call raises UnavailableError when Kafka is away or does
    not answer within 5 s. It joins no group and commits nothing.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        *,
        followed: Iterable[str],
        measured: Iterable[str],
        positions: dict[TopicPartition, int],
        since: Mapping[str, float],
        last: Mapping[str, int],
    ) -> None:
        self._servers = bootstrap_servers
        self._followed = list(followed)
        self._measured = list(measured)
        self._positions = positions
        self._since = since
        self._last = last
        options = {"bootstrap_servers": bootstrap_servers, "request_timeout_ms": round(CALL_SECONDS * 1000)}
        self._admin = AIOKafkaAdminClient(**options)
        self._reader = AIOKafkaConsumer(
            **options,
            client_id="ticketstream-serve",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            fetch_min_bytes=_FETCH_BYTES,
            max_partition_fetch_bytes=1024 * 1024,
        )
        # Not the reader: a broker answers a connection's requests in order, and a fetch waits half a second.
        self._asker = AIOKafkaConsumer(**options, client_id="ticketstream-serve", enable_auto_commit=False)
        self._places: list[TopicPartition] = []
        self._asked: list[TopicPartition] = []
        self._begins: dict[TopicPartition, int] = {}

    async def __aenter__(self) -> Self:
        try:
            await bounded(self._open(), 2 * CALL_SECONDS)
        except (KafkaError, OSError, TimeoutError) as error:
            await self._close()
            raise unreachable(self._servers, error) from error
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def _open(self) -> None:
        await self._admin.start()
        found = await described(self._admin)
        missing = [topic for topic in (*self._measured, *self._followed) if topic not in found]
        if missing:
            raise UnavailableError(f"Kafka at {self._servers} has no topic {missing[0]} yet")

        def places(topics: Iterable[str]) -> list[TopicPartition]:
            return [TopicPartition(topic, one["partition"]) for topic in topics for one in found[topic]]

        self._places, self._asked = places(self._followed), places(self._measured)
        await self._asker.start()
        await self._reader.start()
        self._begins = await self._asker.beginning_offsets(self._asked)
        self._reader.assign(self._places)
        await self._seek()

    async def _seek(self) -> None:
        fresh = [place for place in self._places if place not in self._positions]
        recent = {
            place: round((time.time() - self._since[place.topic]) * 1000)
            for place in fresh
            if place.topic in self._since
        }
        if recent:
            ends = await self._asker.end_offsets(list(recent))
            found = await self._asker.offsets_for_times(recent)
            for place in recent:
                self._positions[place] = found[place].offset if found.get(place) else ends[place]
        if newest := [place for place in fresh if place.topic in self._last]:
            ends = await self._asker.end_offsets(newest)
            begins = await self._asker.beginning_offsets(newest)
            for place in newest:
                self._positions[place] = max(begins[place], ends[place] - self._last[place.topic])
        if beginning := [place for place in fresh if place not in self._positions]:
            await self._reader.seek_to_beginning(*beginning)
        for place in self._places:
            if place in self._positions:
                self._reader.seek(place, self._positions[place])

    async def _close(self) -> None:
        for client in (self._reader.stop, self._asker.stop, self._admin.close):
            with suppress(Exception):
                await bounded(client(), _STOP_SECONDS)

    async def read(self) -> list[Any]:
        """Return what has come, waiting half a second for something to come."""
        try:
            found = await self._reader.getmany(timeout_ms=_FETCH_WAIT_MS, max_records=_AT_ONCE)
        except (KafkaError, OSError) as error:
            raise unreachable(self._servers, error) from error
        for place, records in found.items():
            self._positions[place] = records[-1].offset + 1
        return [record for records in found.values() for record in records]

    async def ends(self) -> dict[TopicPartition, int]:
        """Return the present ends of what is followed."""
        ends: dict[TopicPartition, int] = await self._called(self._asker.end_offsets(self._places))
        return ends

    async def has_read(self, ends: Mapping[TopicPartition, int]) -> bool:
        """Return whether all before these ends has been read."""
        for place, end in ends.items():
            # Not the last record's offset: compaction leaves holes.
            if await self._called(self._reader.position(place)) < end:
                return False
        return True

    async def earlier(self, now: float) -> dict[str, dict[int, list[tuple[float, int]]]]:
        """Return where the ends of the measured topics stood at some moments of the past week."""
        moments: dict[str, dict[int, list[tuple[float, int]]]] = {}
        ends = await self._called(self._asker.end_offsets(self._asked))
        for seconds in _EARLIER_SECONDS:
            at = now - seconds
            times = dict.fromkeys(self._asked, round(at * 1000))
            found = await self._called(self._asker.offsets_for_times(times))
            for place in self._asked:
                end = found[place].offset if found.get(place) else ends[place]
                moments.setdefault(place.topic, {}).setdefault(place.partition, []).append((at, end))
        return moments

    async def offsets(self) -> Offsets:
        """Return the offsets of the measured topics."""
        # The committed ones first: what is worked off in between counts as waiting, never as less than none.
        committed = await self._called(self._committed())
        ends = await self._called(self._asker.end_offsets(self._asked))
        found = Offsets({}, {})
        for place in self._asked:
            begin = self._begins[place]
            known = committed.get(place)
            found.ends.setdefault(place.topic, {})[place.partition] = ends[place]
            found.done.setdefault(place.topic, {})[place.partition] = max(
                begin, begin if known is None else known.offset
            )
        return found

    async def _committed(self) -> dict[TopicPartition, Any]:
        try:
            found: dict[TopicPartition, Any] = await self._admin.list_consumer_group_offsets(APP_ID)
        except GroupCoordinatorNotAvailableError:
            return {}  # a broker that has never had a group yet
        return found

    async def workers(self) -> int:
        """Return how many workers Kafka counts in."""
        return len(await self._called(members_of(self._admin)))

    async def _called(self, call: Any) -> Any:
        try:
            return await bounded(call, CALL_SECONDS)
        except (KafkaError, OSError, TimeoutError) as error:
            raise unreachable(self._servers, error) from error


async def bounded(work: Coroutine[Any, Any, Any], seconds: float) -> Any:
    """Return what the work returns; raises TimeoutError after so many seconds, whatever the work does.

    When Kafka goes away, aiokafka's own tasks are cancelled, and calls end as cancelled that nobody has
    cancelled: whoever awaited them would end too. That is a TimeoutError here as well.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait((task,), timeout=seconds)
    finally:
        if not task.done():
            task.cancel()
            task.add_done_callback(_looked_at)
    if not task.done() or task.cancelled():
        raise TimeoutError
    return task.result()


def _looked_at(task: asyncio.Future[Any]) -> None:
    if not task.cancelled():
        task.exception()  # or asyncio says that nobody has asked for it
