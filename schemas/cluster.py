"""How Kafka is reached, and into how many partitions everything is divided."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Kafka cluster.

    ``servers`` are its addresses, ``host:port`` with commas between; ``partitions`` is the number that all
    topics and tables have.
    """

    servers: str
    partitions: int

    def __str__(self) -> str:
        return self.servers
