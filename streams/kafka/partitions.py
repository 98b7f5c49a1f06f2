"""Which partition a key belongs to: murmur2, as the Java clients do it."""

from __future__ import annotations

from aiokafka.partitioner import murmur2


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition (0 to ``partitions`` - 1) of a key."""
    return (int(murmur2(key)) & 0x7FFFFFFF) % partitions


def account_partition(account: str, partitions: int) -> int:
    """Return the partition of an account's commands: its owner runs the live source and the imports."""
    return partition_of(account.encode(), partitions)
