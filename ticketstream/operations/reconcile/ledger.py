"""What the pipeline has written, read from the changelog of its table ``indexed``."""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self

import msgspec

from schemas.cluster import Cluster
from schemas.tables import IndexedTicket
from schemas.topics import changelog_topic
from streams.kafka.partitions import partition_of
from streams.kafka.topic_reader import TopicReader
from ticketstream.operations.reconcile.states import LedgerStates, LedgerTable

_CHANGELOG: Final = changelog_topic("indexed")
_ENTRY: Final = msgspec.json.Decoder(IndexedTicket)


class LedgerReader:
    """Reads an account's entries; an async context manager. Raises UnavailableError.

    ``collection`` is the one looked at; entries of others say nothing about what it holds.
    """

    def __init__(self, cluster: Cluster, account: str, collection: str) -> None:
        self._reader = TopicReader(cluster, [_CHANGELOG])
        self._prefix = f"{account}:".encode()
        self._collection = collection
        self._partitions = cluster.partitions
        self._states = LedgerStates()

    async def __aenter__(self) -> Self:
        await self._reader.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._reader.__aexit__(kind, error, trace)

    async def read(self) -> LedgerTable:
        """Read what has come since the last read; returns all that is known."""
        async for raw in self._reader.to_end():
            if raw.key is not None and partition_of(raw.key, self._partitions) == raw.partition:
                self._add(raw.key, raw.value)  # elsewhere lies what has moved since
        return self._states.newest()

    def _add(self, key: bytes, value: bytes | None) -> None:
        number = key.removeprefix(self._prefix)
        if number == key or not number.isdigit():
            return
        if value is None:
            self._states.add(int(number), 0, [], [], gone=True)
            return
        try:
            entry = _ENTRY.decode(value)
        except msgspec.DecodeError:
            return  # of another release; the workers would stumble over it, not the comparison
        self._states.add(
            int(number),
            entry.version,
            entry.public,
            entry.internal,
            many=entry.many,
            removed=entry.removed,
            here=entry.collection == self._collection,
        )
