"""The worker's tables: Faust tables (RocksDB, changelog) written in an order we can prove.

Faust's own ``table[key] = value`` does not say when the changelog has it, and takes the partition
from the event at hand. Here the caller names the partition and waits until the changelog is
acknowledged; only then the local store is written. Recovery, standby and RocksDB files are Faust's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, Generic, TypeVar

import faust
import msgspec
from faust.types import TP

from agents.app.stores import give_up
from schemas.codec import encode
from schemas.tables import TABLES
from schemas.topics import changelog_topic
from streams.kafka.messages import Record
from streams.kafka.producer import Producer

_SIZES: Final = (
    "rocksdb.estimate-num-keys",
    "rocksdb.total-sst-files-size",
    "rocksdb.cur-size-all-mem-tables",
)

T = TypeVar("T", bound=msgspec.Struct)
R = TypeVar("R")

_ROCKSDB: Final = {
    # Every table has a database a partition. Faust's sizes (64 MiB of buffer, 2 GiB of cache for each)
    # would let a worker's memory grow for as long as it runs.
    "write_buffer_size": 256 * 1024,
    "max_write_buffer_number": 2,
    "block_cache_size": 128 * 1024,
}


class StateTable(Generic[T]):
    """One table: entries of one type, by key, each in a partition named by the caller."""

    def __init__(self, app: faust.App, producer: Producer, name: str, kind: type[T], partitions: int) -> None:
        self.name = name
        self.changelog = changelog_topic(name)
        self._app = app
        self._producer = producer
        self._decoder = msgspec.json.Decoder(kind)
        self._table = app.Table(
            name, key_type=bytes, value_type=bytes, partitions=partitions, options=dict(_ROCKSDB)
        )

    def get(self, partition: int, key: bytes) -> T | None:
        """Return the entry, or None when there is none."""
        raw = self._guarded(lambda: self._table.data._db_for_partition(partition).get(key))
        return None if raw is None else self._decoder.decode(raw)

    def items(self, partition: int) -> list[tuple[bytes, T]]:
        """Return all entries of a partition; for small tables only."""
        store = self._table.data
        pairs = self._guarded(lambda: list(store._visible_items(store._db_for_partition(partition))))
        return [(bytes(key), self._decoder.decode(raw)) for key, raw in pairs]

    def find(self, partition: int, wanted: Callable[[bytes, T], bool], at_most: int) -> list[bytes]:
        """Return the keys of up to so many entries of a partition that are wanted; reads entry by entry."""
        store = self._table.data

        def read() -> list[bytes]:
            found: list[bytes] = []
            for key, raw in store._visible_items(store._db_for_partition(partition)):
                if wanted(bytes(key), self._decoder.decode(raw)):
                    found.append(bytes(key))
                    if len(found) == at_most:
                        break
            return found

        return self._guarded(read)

    def starting_with(self, partition: int, prefix: bytes) -> list[tuple[bytes, T]]:
        """Return the entries of a partition whose keys begin like this; meant for few."""

        def read() -> list[tuple[bytes, T]]:
            found: list[tuple[bytes, T]] = []
            store = self._table.data
            for key, raw in store._db_for_partition(partition).items(from_key=prefix):
                if not key.startswith(prefix):
                    break
                if key != store.offset_key:  # Faust keeps how far the changelog was read among the entries
                    found.append((bytes(key), self._decoder.decode(raw)))
            return found

        return self._guarded(read)

    def size(self, partition: int) -> tuple[int, int]:
        """Return about how many entries a partition has, and the bytes of its files and buffers."""

        def read() -> tuple[int, int]:
            db = self._table.data._db_for_partition(partition)
            entries, files, buffers = (int(db.property_int_value(name) or 0) for name in _SIZES)
            return entries, files + buffers

        return self._guarded(read)

    async def put(self, partition: int, entries: Iterable[tuple[bytes, T | None]]) -> None:
        """Write entries (None deletes): the changelog first, and when it is acknowledged the store.

        Raises UnavailableError when Kafka did not acknowledge; the store is then unchanged. If a rebalance
        has come in between, the store is unchanged too, without an error, and the caller must not acknowledge
        anything. Engines and sources have stopped by then (see agents.app.part); other callers must check.
        """
        # Of several entries for one key only the last counts.
        newest = {key: None if entry is None else encode(entry) for key, entry in entries}
        if not newest:
            return
        generation = self._app.consumer_generation_id
        records = [Record(self.changelog, partition, key, value) for key, value in newest.items()]
        offsets = await self._producer.send(records)
        if self._app.consumer_generation_id != generation:
            # The partition may have a new owner whose entries lie between ours: the changelog has
            # them all in order, so leave this store to its next recovery.
            return
        place = TP(self.changelog, partition)
        self._guarded(lambda: self._table.data.write(place, newest.items(), offsets[place]))

    def _guarded(self, call: Callable[[], R]) -> R:
        try:
            return call()
        except Exception as error:
            give_up(self._app.conf.tabledir, error)
            raise


class Tables:
    """All tables of a worker, by name."""

    def __init__(self, app: faust.App, producer: Producer, partitions: int) -> None:
        self._tables: dict[str, StateTable[Any]] = {
            name: StateTable(app, producer, name, kind, partitions) for name, kind in TABLES.items()
        }

    def __getitem__(self, name: str) -> StateTable[Any]:
        return self._tables[name]
