"""The topic ``zendesk.logins`` on the broker: made when first needed, mended where it would forget."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

from agents.topics import replicas_of
from schemas.errors import UnavailableError
from schemas.settings import PREFIX
from schemas.topics import LOGINS

_TOPIC_EXISTS: Final = 36
_HOUR_MS: Final = 3600 * 1000
_SAFE_REPLICAS: Final = 3


def login_topic_config(replicas: int) -> dict[str, str]:
    """Return the topic's broker configuration, where it has so many replicas."""
    return {
        "cleanup.policy": "compact",
        # All processes judge claims by the broker's time, and by all that came in the last hour.
        "message.timestamp.type": "LogAppendTime",
        "min.compaction.lag.ms": str(_HOUR_MS),
        "segment.ms": str(6 * _HOUR_MS),
        "segment.bytes": str(16 * 1024 * 1024),
        # A pair that was acknowledged must outlive the loss of a broker.
        "min.insync.replicas": "2" if replicas >= _SAFE_REPLICAS else "1",
    }


async def ensure_login_topic(bootstrap_servers: str) -> None:
    """Make the topic, or mend its configuration; raises UnavailableError when Kafka is away or refuses."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=10_000)
    try:
        try:
            await admin.start()
            await _ensure(admin)
        finally:
            await admin.close()
    except (KafkaError, OSError, TimeoutError) as error:
        raise away(bootstrap_servers, error) from error


async def has_login_topic(bootstrap_servers: str) -> bool:
    """Return whether the topic is there, without making it; raises UnavailableError when Kafka is away."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=10_000)
    try:
        try:
            await admin.start()
            return LOGINS in await admin.list_topics()
        finally:
            await admin.close()
    except (KafkaError, OSError, TimeoutError) as error:
        raise away(bootstrap_servers, error) from error


def away(bootstrap_servers: str, error: BaseException) -> UnavailableError:
    """Return the error that says that the stored login cannot be reached."""
    return UnavailableError(
        f"Zendesk's login is stored in Kafka, and Kafka at {bootstrap_servers} cannot be reached "
        f"({type(error).__name__}): is it running, and is {PREFIX}KAFKA__BOOTSTRAP_SERVERS right?"
    )


async def _ensure(admin: AIOKafkaAdminClient) -> None:
    # All topics: some brokers create a topic that is asked for by name.
    if LOGINS not in await admin.list_topics():
        replicas = await replicas_of(admin)
        new = NewTopic(LOGINS, 1, replicas, topic_configs=login_topic_config(replicas))
        answer = await admin.create_topics([new])
        _raise_for([error[:2] for error in answer.topic_errors], _TOPIC_EXISTS)
        return
    resource = ConfigResource(ConfigResourceType.TOPIC, LOGINS)
    (answer,) = await admin.describe_configs([resource])
    found = {entry[0]: entry[1] for entry in answer.resources[0][4]}
    wanted = login_topic_config(1)
    # Somebody else's hand, or a broker that makes topics by itself: that would forget the login in a week.
    if any(found.get(name) != wanted[name] for name in ("cleanup.policy", "message.timestamp.type")):
        (described,) = await admin.describe_topics([LOGINS])
        mended = login_topic_config(len(described["partitions"][0]["replicas"]))
        resource = ConfigResource(ConfigResourceType.TOPIC, LOGINS, mended)
        (answer,) = await admin.alter_configs([resource])
        _raise_for([(LOGINS, error[0]) for error in answer.resources], 0)


def _raise_for(errors: Collection[Any], harmless: int) -> None:
    for topic, code in errors:
        if code not in (0, harmless):
            raise UnavailableError(f"Kafka refuses to set up the topic {topic}: {for_code(code).__name__}")
