"""The records of ``zendesk.logins`` as one process sees them: all there are, then each as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.cluster import Cluster
from schemas.codec import decode, encode, headers_of, is_named
from schemas.errors import PermanentError, UnavailableError
from schemas.logins import LoginBegun, LoginClaim, LoginDead, LoginPair, LoginRecord, login_key, login_prefix
from schemas.topics import LOGINS
from streams.kafka import clients
from streams.kafka.client import keep_metadata, stop_consumer
from streams.kafka.messages import Record
from streams.kafka.producer import Producer
from streams.logins.topic import away, ensure_login_topic

OnRecord = Callable[[LoginRecord, float], None]
"""Told of each record, with the broker's time of it in Unix seconds."""

_KINDS: Final[tuple[type[LoginRecord], ...]] = (LoginBegun, LoginClaim, LoginDead, LoginPair)
_PLACE: Final = TopicPartition(LOGINS, 0)
_FETCH_MS: Final = 1_000
_OPEN_SECONDS: Final = 10.0
_APPEND_SECONDS: Final = 5.0
_REST_SECONDS: Final = 0.2


class LoginRecords(Protocol):
    """What a login needs of its records."""

    async def open(self, on_record: OnRecord) -> None:
        """Tell of all records there are, then go on telling of new ones; raises UnavailableError."""
        ...

    async def append(self, records: Sequence[LoginRecord], erased: Sequence[LoginRecord] = ()) -> None:
        """Return when all are stored and ``on_record`` was told of them; ``erased`` ones go, some time.

        Raises UnavailableError when that is not certain.
        """
        ...

    async def aclose(self) -> None:
        """End."""
        ...


class LoginLog:
    """The records of one OAuth client of one account, in Kafka; joins no group."""

    def __init__(self, cluster: Cluster, account: str, client_id: str) -> None:
        self._cluster = cluster
        self._account = account
        self._client_id = client_id
        self._prefix = login_prefix(account, client_id).encode()
        self._producer = Producer(cluster, "ticketstream-login")
        self._producing = False
        self._starting = asyncio.Lock()
        self._consumer: AIOKafkaConsumer | None = None
        self._follower: asyncio.Task[None] | None = None
        self._read_to = 0
        self._progress = asyncio.Event()

    async def open(self, on_record: OnRecord) -> None:
        """Tell of all records there are, then go on telling of new ones; raises UnavailableError."""
        self._on_record = on_record
        try:
            async with asyncio.timeout(_OPEN_SECONDS):
                await ensure_login_topic(self._cluster)
                consumer = self._consumer = clients.consumer(
                    self._cluster,
                    client_id="ticketstream-login",
                    auto_offset_reset="earliest",
                    fetch_max_wait_ms=_FETCH_MS,
                )
                keep_metadata(consumer._client)
                await consumer.start()
                consumer.assign([_PLACE])
                # Asked for before the first fetch, behind which the broker would have them wait.
                ends = await consumer.end_offsets([_PLACE])
                begins = await consumer.beginning_offsets([_PLACE])
                consumer.seek(_PLACE, begins[_PLACE])
                self._read_to = begins[_PLACE]
                while self._read_to < ends[_PLACE]:
                    await self._read(consumer)
        except (KafkaError, OSError, TimeoutError) as error:
            await self.aclose()
            raise away(self._cluster, error) from error
        except BaseException:
            await self.aclose()
            raise
        self._follower = asyncio.create_task(self._follow(consumer))

    async def append(self, records: Sequence[LoginRecord], erased: Sequence[LoginRecord] = ()) -> None:
        """Return when all are stored and read back; ``erased`` ones go with compaction.

        Raises UnavailableError when that is not certain after 5 s.
        """
        made = [Record(LOGINS, 0, self._key(each), encode(each), headers_of(each)) for each in records]
        made += [Record(LOGINS, 0, self._key(each), None) for each in erased]
        try:
            async with asyncio.timeout(_APPEND_SECONDS):
                async with self._starting:
                    if not self._producing:
                        await self._producer.start()
                        self._producing = True
                last = (await self._producer.send(made))[LOGINS, 0]
                while self._read_to <= last:
                    self._progress.clear()
                    await self._progress.wait()
        except (UnavailableError, TimeoutError) as error:
            raise away(self._cluster, error) from error

    def _key(self, record: LoginRecord) -> bytes:
        return login_key(self._account, self._client_id, record)

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            try:
                await self._read(consumer)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                await asyncio.sleep(_REST_SECONDS)  # not we were cancelled: one of aiokafka's own tasks was
            except Exception as error:
                structlog.get_logger().warning("the stored login is not followed for a moment", error=error)
                await asyncio.sleep(_REST_SECONDS)

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        found = await consumer.getmany(_PLACE, timeout_ms=_FETCH_MS)
        for raw in found.get(_PLACE, ()):
            self._take(raw)
        # Not the last record's offset: compaction leaves holes.
        self._read_to = await consumer.position(_PLACE)
        self._progress.set()

    def _take(self, raw: Any) -> None:
        if raw.key is None or raw.value is None or not raw.key.startswith(self._prefix):
            return
        kind = next((each for each in _KINDS if is_named(each, raw.headers)), None)
        try:
            if kind is not None:
                self._on_record(decode(kind, raw.value, raw.headers), raw.timestamp / 1000)
        except PermanentError as error:
            structlog.get_logger().warning(
                "a record of a login cannot be read", offset=raw.offset, error=error
            )

    async def aclose(self) -> None:
        """Disconnect."""
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.gather(self._follower, return_exceptions=True)
            self._follower = None
        consumer, self._consumer = self._consumer, None
        closing: list[Coroutine[Any, Any, None]] = [stop_consumer(consumer)] if consumer is not None else []
        if self._producing:
            self._producing = False
            closing.append(self._producer.stop())
        for each in closing:
            with suppress(KafkaError, OSError, TimeoutError):
                await asyncio.wait_for(each, _APPEND_SECONDS)
