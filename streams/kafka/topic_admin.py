"""Topics by way of the broker's administration, every answer of which is read.

aiokafka 0.14: ``create_topics``, ``describe_configs`` and ``alter_configs`` return what the broker refused,
and raise nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from schemas.errors import SettingsError, TicketstreamError, UnavailableError
from streams.kafka.topic_settings import TopicSettings

_PARTITIONS_A_REQUEST: Final = 2_000
"""Kafka refuses a request for more than 10,000 (4.1.1, "Excessively large number of partitions")."""
_CHOSEN: Final = 1
"""``ConfigSource`` of the protocol: set for this topic."""

Described = dict[str, list[Any]]
"""Each topic there is, and what the broker says of its partitions."""


async def described(admin: AIOKafkaAdminClient) -> Described:
    """Return all topics; one that is asked for by name would be made by some brokers."""
    return {topic["topic"]: topic["partitions"] for topic in await admin.describe_topics()}


async def make_topics(admin: AIOKafkaAdminClient, topics: Iterable[NewTopic]) -> None:
    """Make topics, some at a time; those that another has made meanwhile are left as they are.

    Raises SettingsError, or UnavailableError for what may pass, with the broker's reason.
    """
    for some in _requests(topics):
        answer = await admin.create_topics(some)
        for name, code, *reason in answer.topic_errors:
            if code not in (0, TopicAlreadyExistsError.errno):
                raise _refusal(code, reason, f"make the topic {name}")


def _requests(topics: Iterable[NewTopic]) -> Iterator[list[NewTopic]]:
    some: list[NewTopic] = []
    partitions = 0
    for topic in topics:
        if some and partitions + topic.num_partitions > _PARTITIONS_A_REQUEST:
            yield some
            some, partitions = [], 0
        some.append(topic)
        partitions += topic.num_partitions
    if some:
        yield some


async def grow_topic(admin: AIOKafkaAdminClient, name: str, partitions: int) -> None:
    """Give a topic so many partitions in all; raises KafkaError."""
    await admin.create_partitions({name: NewPartitions(partitions)})


async def settings_of(admin: AIOKafkaAdminClient, names: Collection[str]) -> dict[str, TopicSettings]:
    """Return the settings of topics that exist; raises SettingsError where they may not be read."""
    if not names:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    found: dict[str, TopicSettings] = {}
    for answer in await admin.describe_configs(resources):
        for code, reason, _kind, name, entries in answer.resources:
            if code:
                raise _refusal(code, [reason], f"tell the settings of the topic {name}")
            # Version 0 says in this place whether it is a default, later ones where it comes from.
            first = answer.API_VERSION == 0
            chosen = {entry[0] for entry in entries if (not entry[3] if first else entry[3] == _CHOSEN)}
            in_force = {entry[0]: entry[1] for entry in entries if entry[1] is not None}
            found[name] = TopicSettings(in_force, frozenset(chosen))
    return found


async def set_topic(admin: AIOKafkaAdminClient, name: str, settings: Mapping[str, str]) -> None:
    """Give a topic these settings of its own, and no others; raises SettingsError or UnavailableError."""
    resource = ConfigResource(ConfigResourceType.TOPIC, name, dict(settings))
    for answer in await admin.alter_configs([resource]):
        for code, reason, *_ in answer.resources:
            if code:
                raise _refusal(code, [reason], f"change the settings of the topic {name}")


def _refusal(code: int, reason: Collection[str | None], what: str) -> TicketstreamError:
    kind = for_code(code)
    words = " ".join(" ".join(part.split()) for part in reason if part)
    said = f"Kafka refuses to {what}: {kind.__name__}{f' ({words[:200]})' if words else ''}"
    if kind.retriable:
        return UnavailableError(said)
    return SettingsError(f"{said}; mend that at the broker, or make the topic there beforehand")
