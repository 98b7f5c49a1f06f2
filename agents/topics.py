"""The topics and changelogs on the broker: made once, then checked at every start."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError

from schemas.errors import ConflictError, SettingsError, UnavailableError
from schemas.moves import scale_under_way
from schemas.settings import PREFIX, Settings
from schemas.state import TABLES, changelog_topic
from schemas.topics import COMPACTED, DEAD_LETTERS, IMPORT_COMMANDS, PIPELINE, WORKER_STATES

MAX_MESSAGE_BYTES: Final = 8 * 1024 * 1024
"""The largest value a stage sends; a larger one is a dead letter."""
TOPIC_MAX_BYTES: Final = 15 * 1024 * 1024
"""Topics take more than stages send: whoever else writes to them may not know the limit."""
DEAD_LETTER_MAX_BYTES: Final = 24 * 1024 * 1024
"""A dead letter carries its original as base64, a third larger, and that may be all a topic takes."""

_COMPACT: Final = {
    "cleanup.policy": "compact",
    # Kafka's defaults (1 GiB, 7 days) would keep a changelog from ever shrinking.
    "segment.bytes": str(64 * 1024 * 1024),
    "segment.ms": str(6 * 3600 * 1000),
    "min.cleanable.dirty.ratio": "0.3",
}
_STAMPED: Final = {
    # By the broker. A broker refuses what a worker whose clock is an hour ahead has stamped, and what is
    # ordered or found by time would follow every worker's own clock.
    "message.timestamp.type": "LogAppendTime"
}
_REPLICAS: Final = 3
_DAYS: Final = 24 * 3600 * 1000


def topic_configs() -> dict[str, dict[str, str]]:
    """Return every topic of the pipeline and its tables, with its broker configuration."""
    configs: dict[str, dict[str, str]] = {}
    for topic in PIPELINE:
        if topic in COMPACTED:
            own = dict(_COMPACT)
        elif topic in (DEAD_LETTERS, IMPORT_COMMANDS):
            own = {"cleanup.policy": "delete", "retention.ms": "-1"}
        elif topic == WORKER_STATES:  # only the last minute of it counts
            own = {"cleanup.policy": "delete", "retention.ms": str(_DAYS)}
        else:
            own = {"cleanup.policy": "delete", "retention.ms": str(30 * _DAYS)}
        largest = DEAD_LETTER_MAX_BYTES if topic == DEAD_LETTERS else TOPIC_MAX_BYTES
        configs[topic] = own | _STAMPED | {"max.message.bytes": str(largest)}
    for table in TABLES:
        configs[changelog_topic(table)] = _COMPACT | _STAMPED
    return configs


async def ensure_topics(settings: Settings) -> None:
    """Create what is missing, and check that every topic has the partitions the settings name.

    Raises SettingsError when a topic has another number of partitions, ConflictError while the number is
    being changed, UnavailableError when Kafka cannot be reached.
    """
    wanted = settings.kafka.partitions
    servers = settings.bootstrap_servers
    admin = AIOKafkaAdminClient(bootstrap_servers=servers, request_timeout_ms=15_000)
    try:
        try:
            await admin.start()
            await _ensure(admin, wanted)
        finally:
            await admin.close()
    except (KafkaError, OSError, TimeoutError) as error:
        raise UnavailableError(
            f"Kafka at {servers} cannot be reached ({type(error).__name__}): "
            f"is it running, and is {PREFIX}KAFKA__BOOTSTRAP_SERVERS right?"
        ) from error


async def replicas_of(admin: AIOKafkaAdminClient) -> int:
    """Return how many replicas a topic gets: three, or as many as there are brokers."""
    return min(_REPLICAS, len((await admin.describe_cluster())["brokers"]))


async def _ensure(admin: AIOKafkaAdminClient, partitions: int) -> None:
    configs = topic_configs()
    existing = set(await admin.list_topics())
    if (scaling := scale_under_way(existing)) is not None:
        raise ConflictError(
            f"{scaling[0]} partitions are being changed to {scaling[1]}: wait for `ticketstream scale`; if "
            f"it was interrupted, run `ticketstream scale --partitions {scaling[1]}` again"
        )
    missing = [name for name in configs if name not in existing]
    if missing:
        replicas = await replicas_of(admin)
        new = [NewTopic(name, partitions, replicas, topic_configs=configs[name]) for name in missing]
        # Another worker may be quicker; what it made is checked below.
        with suppress(TopicAlreadyExistsError):
            await admin.create_topics(new)
    for _ in range(50):
        counts = {
            item["topic"]: len(item["partitions"])
            for item in await admin.describe_topics(list(configs))
            if item["error_code"] == 0
        }
        if len(counts) == len(configs) and all(counts.values()):
            break
        await asyncio.sleep(0.1)  # the broker answers before every node knows the new topics
    wrong = {name: count for name, count in counts.items() if count != partitions}
    if wrong:
        name, count = next(iter(wrong.items()))
        if len(set(counts.values())) > 1:
            raise SettingsError(
                f"topic {name} has {count} partitions, others have {min(counts.values())}: "
                f"run `ticketstream scale --partitions {max(counts.values())}`"
            )
        raise SettingsError(
            f"topic {name} has {count} partitions, but {PREFIX}KAFKA__PARTITIONS is {partitions}: "
            f"set it to {count}"
        )
