"""Which workers are at work: the active members of the consumer group."""

from __future__ import annotations

from typing import Any

from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError

from schemas.cluster import Cluster
from schemas.topics import APP_ID
from streams.kafka import clients
from streams.kafka.topic_reader import unreachable


async def active_workers(cluster: Cluster, *, timeout: float = 10.0) -> list[str]:
    """Return the client id and host of each worker, sorted; raises UnavailableError.

    A worker that was killed counts until Kafka misses it, about ten seconds.
    """
    admin = clients.admin(cluster, timeout=timeout)
    try:
        await admin.start()
        return await members_of(admin)
    except (KafkaError, OSError, TimeoutError) as error:
        raise unreachable(cluster, error) from error
    finally:
        await admin.close()


async def members_of(admin: Any) -> list[str]:
    """Return the workers seen by a started admin client."""
    try:
        answers = await admin.describe_consumer_groups([APP_ID])
    except GroupCoordinatorNotAvailableError:
        return []  # a broker that has never had a group yet
    groups = [group for answer in answers for group in answer.to_object()["groups"]]
    return sorted(
        f"{member['client_id']} at {member['client_host'].lstrip('/')}"
        for group in groups
        if group["error_code"] == 0
        for member in group["members"]
    )
