"""Makes every client of Kafka: how a cluster is reached is said here, and nowhere else."""

from __future__ import annotations

from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from schemas.cluster import Cluster
from streams.kafka.lease import Lease
from streams.kafka.leased_producer import LeasedProducer


def reached(cluster: Cluster) -> dict[str, Any]:
    """Return what aiokafka's clients have to be told to reach a cluster."""
    return {"bootstrap_servers": cluster.servers}


def brokers(cluster: Cluster) -> list[str]:
    """Return the addresses as Faust wants them: URLs."""
    return [f"kafka://{server.strip()}" for server in cluster.servers.split(",")]


def consumer(cluster: Cluster, *topics: str, **options: Any) -> AIOKafkaConsumer:
    """Return a consumer that has not started; options are aiokafka's. Offsets are committed by hand."""
    return AIOKafkaConsumer(*topics, **reached(cluster), **({"enable_auto_commit": False} | options))


def admin(cluster: Cluster, *, timeout: float | None = None) -> AIOKafkaAdminClient:
    """Return an admin client that has not started; its calls take at most so many seconds."""
    options = {} if timeout is None else {"request_timeout_ms": round(timeout * 1000)}
    return AIOKafkaAdminClient(**reached(cluster), **options)


def leased_producer(cluster: Cluster, lease: Lease | None, **options: Any) -> LeasedProducer:
    """Return a producer that has not started, which sends nothing while its lease is not held."""
    return LeasedProducer(lease, **reached(cluster), **options)


def plain_producer(cluster: Cluster, **options: Any) -> AIOKafkaProducer:
    """Return a producer that has not started, without a lease."""
    return AIOKafkaProducer(**reached(cluster), **options)
