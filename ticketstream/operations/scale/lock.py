"""One change of the number of partitions at a time, on this machine and on others.

On this machine a file lock says so, which ends with its holder. For others the command is the only member
of a consumer group of its own; Kafka forgets one that was killed after six seconds, unless it runs again
here and takes its own place.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError

from schemas.cluster import Cluster
from schemas.errors import ConflictError, StackError
from schemas.topics import APP_ID, IMPORT_COMMANDS
from streams.kafka import clients
from streams.kafka.client import stop_consumer
from streams.kafka.topic_reader import unreachable
from ticketstream.operations.locks import file_lock

GROUP: Final = f"{APP_ID}-scale"
_SESSION_MS: Final = 6_000
_LONG_MS: Final = 7 * 24 * 3600 * 1000
"""How long the one member may go without asking for messages: it never does."""


@asynccontextmanager
async def only_one(cluster: Cluster, data_dir: Path) -> AsyncIterator[None]:
    """Be the only one inside; raises ConflictError when another is, UnavailableError and StackError."""
    with _locked(data_dir) as name:
        async with _member(cluster, name):
            yield


@contextmanager
def _locked(data_dir: Path) -> Iterator[str]:
    """Lock this machine's data directory, and yield a name that tells it from any other."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        place = data_dir.stat()
        lock = file_lock(data_dir / "scale.lock", what="another `ticketstream scale` is at work", seconds=0)
    except PermissionError as error:
        raise StackError(f"the data directory {data_dir} cannot be written ({error.strerror})") from error
    with lock:
        yield f"{GROUP}-{socket.gethostname()}-{place.st_dev:x}-{place.st_ino:x}"


@asynccontextmanager
async def _member(cluster: Cluster, name: str) -> AsyncIterator[None]:
    consumer = clients.consumer(
        cluster,
        IMPORT_COMMANDS,
        client_id=name,
        group_id=GROUP,
        group_instance_id=name,
        session_timeout_ms=_SESSION_MS,
        heartbeat_interval_ms=_SESSION_MS // 4,
        max_poll_interval_ms=_LONG_MS,
        rebalance_timeout_ms=_SESSION_MS,
    )
    try:
        await _check(cluster, name)
        await consumer.start()
        await _check(cluster, name)  # two may have looked at once
    except (KafkaError, OSError, TimeoutError) as error:
        await stop_consumer(consumer)
        raise unreachable(cluster, error) from error
    except BaseException:
        await stop_consumer(consumer)
        raise
    try:
        yield
    finally:
        # A static member is only forgotten, never taken out: the next one elsewhere would wait for nobody.
        consumer._coordinator._group_instance_id = None
        await stop_consumer(consumer)


async def _check(cluster: Cluster, name: str) -> None:
    admin = clients.admin(cluster)
    try:
        await admin.start()
        answers = await admin.describe_consumer_groups([GROUP])
    except GroupCoordinatorNotAvailableError:
        return  # a broker that has never had a group yet
    finally:
        await admin.close()
    for answer in answers:
        for group in answer.to_object()["groups"]:
            for member in group["members"]:
                if member["client_id"] != name:
                    where = member["client_host"].lstrip("/")
                    raise ConflictError(
                        f"another `ticketstream scale` is at work at {where}: wait for it (one that was "
                        "killed is forgotten after a few seconds)"
                    )
