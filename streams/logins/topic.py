"""The topic ``zendesk.logins`` on the broker: made when first needed, mended where it would forget."""

from __future__ import annotations

from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from schemas.cluster import Cluster
from schemas.errors import UnavailableError
from schemas.settings.load import PREFIX
from schemas.topics import LOGINS
from streams.kafka import clients
from streams.kafka.topic_admin import described, make_topics, set_topic, settings_of
from streams.kafka.topic_settings import differences, mended
from streams.kafka.topics import replicas_of

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


async def ensure_login_topic(cluster: Cluster) -> None:
    """Make the topic, or mend its configuration; raises UnavailableError when Kafka is away or refuses."""
    admin = clients.admin(cluster, timeout=10)
    try:
        try:
            await admin.start()
            await _ensure(admin)
        finally:
            await admin.close()
    except (KafkaError, OSError, TimeoutError) as error:
        raise away(cluster, error) from error


async def has_login_topic(cluster: Cluster) -> bool:
    """Return whether the topic is there, without making it; raises UnavailableError when Kafka is away."""
    admin = clients.admin(cluster, timeout=10)
    try:
        try:
            await admin.start()
            return LOGINS in await admin.list_topics()
        finally:
            await admin.close()
    except (KafkaError, OSError, TimeoutError) as error:
        raise away(cluster, error) from error


def away(cluster: Cluster, error: BaseException) -> UnavailableError:
    """Return the error that says that the stored login cannot be reached."""
    return UnavailableError(
        f"Zendesk's login is stored in Kafka, and Kafka at {cluster} cannot be reached "
        f"({type(error).__name__}): is it running, and is {PREFIX}KAFKA__BOOTSTRAP_SERVERS right?"
    )


async def _ensure(admin: AIOKafkaAdminClient) -> None:
    there = await described(admin)
    if LOGINS not in there:
        replicas = await replicas_of(admin)
        await make_topics(admin, [NewTopic(LOGINS, 1, replicas, topic_configs=login_topic_config(replicas))])
        return
    found = (await settings_of(admin, [LOGINS]))[LOGINS]
    wanted = login_topic_config(len(there[LOGINS][0]["replicas"]))
    # Somebody else's hand, or a broker that makes topics by itself: that would forget the login in a week.
    mends = [each for each in differences(found, wanted) if each.is_mended]
    if mends:
        await set_topic(admin, LOGINS, mended(found, mends))
