"""The topics and changelogs on the broker: made once, then checked at every start."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any, Final

import structlog
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, NodeNotReadyError
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from schemas.cluster import Cluster
from schemas.errors import ConflictError, SettingsError, UnavailableError
from schemas.scaling import scale_under_way
from schemas.settings.load import PREFIX, Settings
from schemas.tables import TABLES
from schemas.topics import COMPACTED, DEAD_LETTERS, IMPORT_COMMANDS, PIPELINE, WORKER_STATES, changelog_topic
from streams.kafka import clients
from streams.kafka.client import stop_consumer
from streams.kafka.topic_admin import described, grow_topic, make_topics, set_topic, settings_of
from streams.kafka.topic_settings import TopicSettings, differences, mended

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
_SHOWN_SECONDS: Final = 120.0
"""How long no more of the new partitions may show: thousands of them take a broker a minute."""
_SAID_SECONDS: Final = 5.0
_TRIES: Final = 5
_DAYS: Final = 24 * 3600 * 1000


def topic_configs() -> dict[str, dict[str, str]]:
    """Return every topic of the pipeline and its tables, with its broker configuration."""
    configs: dict[str, dict[str, str]] = {}
    for topic in PIPELINE:
        if topic in COMPACTED:
            own = dict(_COMPACT)
        elif topic in (DEAD_LETTERS, IMPORT_COMMANDS):
            own = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
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
    """Create what is missing, and see that what exists keeps what the pipeline puts there.

    A topic that another client has made by asking for it has the broker's defaults: state and dead letters
    would be deleted after a week. Its settings are mended, and while it is empty it gets its partitions.
    What an operator has set is left; where that may lose data, the log says so.

    Raises SettingsError when a topic has another number of partitions or the broker refuses something,
    ConflictError while the number is being changed, UnavailableError when Kafka cannot be reached.
    """
    wanted = settings.kafka.partitions
    cluster = settings.cluster
    admin = clients.admin(cluster, timeout=15)
    try:
        try:
            await admin.start()
            # A broker that has just started, on a busy machine, does not take every connection at once.
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type(NodeNotReadyError),
                stop=stop_after_attempt(_TRIES),
                wait=wait_fixed(1.0),
                reraise=True,
            ):
                with attempt:
                    await _ensure(admin, cluster, wanted)
        finally:
            await admin.close()
    except (KafkaError, OSError, TimeoutError) as error:
        raise UnavailableError(
            f"Kafka at {cluster} cannot be reached ({type(error).__name__}): "
            f"is it running, and is {PREFIX}KAFKA__BOOTSTRAP_SERVERS right?"
        ) from error


async def replicas_of(admin: AIOKafkaAdminClient) -> int:
    """Return how many replicas a topic gets: three, or as many as there are brokers."""
    return min(_REPLICAS, len((await admin.describe_cluster())["brokers"]))


async def _ensure(admin: AIOKafkaAdminClient, cluster: Cluster, partitions: int) -> None:
    configs = topic_configs()
    existing = await described(admin)
    if (scaling := scale_under_way(existing)) is not None:
        raise ConflictError(
            f"{scaling[0]} partitions are being changed to {scaling[1]}: wait for `ticketstream scale`; if "
            f"it was interrupted, run `ticketstream scale --partitions {scaling[1]}` again"
        )
    missing = [name for name in configs if name not in existing]
    if missing:
        replicas = await replicas_of(admin)
        new = [NewTopic(name, partitions, replicas, topic_configs=configs[name]) for name in missing]
        await make_topics(admin, new)
    settings = await _settings(admin, [name for name in configs if name in existing])
    counts_before = {name: len(existing[name]) for name in configs if name in existing}
    small = others_topics(counts_before, settings, partitions)
    grown = await _empty(cluster, {name: existing[name] for name in small})
    for name in grown:
        await grow_topic(admin, name, partitions)
    counts = await _counts(admin, dict.fromkeys(configs, 1) | dict.fromkeys(grown, partitions))
    wrong = wrong_partitions(counts, partitions)
    for name, found in settings.items():
        await _mend(admin, name, found, configs[name])
    if wrong is not None:
        raise SettingsError(wrong)


async def _settings(admin: AIOKafkaAdminClient, names: Collection[str]) -> dict[str, TopicSettings]:
    try:
        return await settings_of(admin, names)
    except SettingsError as error:  # to write messages, nobody needs the right to read settings
        structlog.get_logger().warning("the topics' settings are not checked", reason=error)
        return {}


async def _counts(admin: AIOKafkaAdminClient, least: Mapping[str, int]) -> dict[str, int]:
    """Return the numbers of partitions, once each topic shows as many as it has been given."""
    shown, until = 0, time.monotonic() + _SHOWN_SECONDS
    say = time.monotonic() + _SAID_SECONDS
    while True:
        found = await described(admin)
        counts = {name: len(found.get(name, ())) for name in least}
        late = [name for name, number in least.items() if counts[name] < number]
        if not late:
            return counts
        made = sum(min(counts[name], number) for name, number in least.items())
        if made > shown:
            shown, until = made, time.monotonic() + _SHOWN_SECONDS
        elif time.monotonic() > until:
            raise UnavailableError(f"Kafka does not show all partitions of the topic {late[0]} yet")
        if time.monotonic() > say:
            say += _SAID_SECONDS
            log = structlog.get_logger()
            log.info("waiting for Kafka to make partitions", made=made, of=sum(least.values()))
        await asyncio.sleep(0.1)  # the broker answers before every node knows the new topics


async def _empty(cluster: Cluster, topics: Mapping[str, list[Any]]) -> list[str]:
    """Return those that hold nothing: only they may get partitions without `scale` moving keys."""
    if not topics:
        return []
    places = {name: [TopicPartition(name, each["partition"]) for each in topics[name]] for name in topics}
    everywhere = [place for some in places.values() for place in some]
    consumer = clients.consumer(cluster)
    try:
        await consumer.start()
        begins = await consumer.beginning_offsets(everywhere)
        ends = await consumer.end_offsets(everywhere)
    finally:
        await stop_consumer(consumer)
    return [name for name, some in places.items() if all(begins[place] == ends[place] for place in some)]


async def _mend(
    admin: AIOKafkaAdminClient, name: str, found: TopicSettings, wanted: Mapping[str, str]
) -> None:
    log = structlog.get_logger()
    differ = differences(found, wanted)
    mends = [each for each in differ if each.is_mended]
    if mends:
        wrong = ", ".join(map(str, mends))
        try:
            await set_topic(admin, name, mended(found, mends))
        except SettingsError as error:
            raise SettingsError(f"topic {name}: {wrong}. {error}") from error
        log.warning("a topic's settings were wrong, and are mended", topic=name, was=wrong)
    for left in differ:
        if left not in mends:
            log.warning("a topic has a setting that may lose data", topic=name, reason=str(left))


def others_topics(
    counts: Mapping[str, int], settings: Mapping[str, TopicSettings], partitions: int
) -> list[str]:
    """Return the topics that have fewer partitions and no setting of their own: another client made them.

    While they are empty, a worker gives them their partitions.
    """
    return [
        name
        for name, count in counts.items()
        if count < partitions and name in settings and not settings[name].chosen
    ]


def uneven(counts: Mapping[str, int]) -> tuple[int, dict[str, int]]:
    """Return how many partitions most topics have, and by name the topics that have another number."""
    usual, _ = Counter(counts.values()).most_common(1)[0]
    return usual, {name: count for name, count in sorted(counts.items()) if count != usual}


def wrong_partitions(counts: Mapping[str, int], wanted: int) -> str | None:
    """Return what is wrong with the numbers of partitions and how to mend it; None where nothing is."""
    wrong = {name: count for name, count in counts.items() if count != wanted}
    if not wrong:
        return None
    usual, odd = uneven(counts)
    if odd:
        name, count = next(iter(odd.items()))
        more = f" (and {len(odd) - 1} more that differ)" if len(odd) > 1 else ""
        return (
            f"topic {name} has {_partitions(count)}{more}, the others have {usual}: "
            f"run `ticketstream scale --partitions {max(counts.values())}`"
        )
    name = next(iter(sorted(wrong)))
    said = (
        f"topic {name} has {_partitions(usual)}, but {PREFIX}KAFKA__PARTITIONS is {wanted}: set it to {usual}"
    )
    more = f", or run `ticketstream scale --partitions {wanted}`" if wanted > usual else ""
    return said + more


def _partitions(count: int) -> str:
    return f"{count} partition{'s' if count > 1 else ''}"
