"""What `doctor` says of the topics."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from schemas.errors import UnavailableError
from schemas.settings.kafka import KafkaSettings
from schemas.settings.load import Settings
from streams.kafka import clients
from streams.kafka.topic_settings import TopicSettings
from streams.kafka.topics import topic_configs
from ticketstream.operations.checks.kafka import _topics, check_kafka


def _own(partitions: int) -> tuple[dict[str, list[int]], dict[str, TopicSettings]]:
    configs = topic_configs()
    settings = {name: TopicSettings(config, frozenset(config)) for name, config in configs.items()}
    return {name: [0] * partitions for name in configs}, settings


def _others() -> TopicSettings:
    return TopicSettings({"cleanup.policy": "delete", "retention.ms": "604800000"}, frozenset())


def test_all_as_they_must_be() -> None:
    assert _topics(*_own(8), 8).verdict == "ok"


def test_a_topic_that_a_consumer_made_is_mended_and_the_setting_is_left_alone() -> None:
    found = _topics({"tickets.changes": [0]}, {"tickets.changes": _others()}, 8)
    assert found.verdict == "fail"
    assert "tickets.changes was made by another program" in found.message
    assert "(1 of 8)" in found.message
    assert "start a worker" in found.todo
    assert "set it to 1" not in found.todo

    topics, settings = _own(8)
    topics |= {"tickets.enriched": [0], "tickets.changes": [0]}
    settings |= {"tickets.enriched": _others(), "tickets.changes": _others()}
    assert "(and 1 more such)" in _topics(topics, settings, 8).message


def test_another_number_of_our_own_topics_is_told_with_the_setting() -> None:
    found = _topics(*_own(4), 8)
    assert "4 partitions" in found.message
    assert "set it to 4" in found.todo
    assert "scale --partitions 8" in found.todo


class AnsweringAdmin:
    """A broker with all topics as they must be, and no worker."""

    def __init__(self, **_: Any) -> None: ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def describe_cluster(self) -> dict[str, Any]:
        return {"brokers": [{"node_id": 1}], "cluster_id": "x"}

    async def describe_topics(self) -> list[dict[str, Any]]:
        return [{"topic": name, "partitions": [{}] * 8} for name in topic_configs()]

    async def describe_configs(self, resources: list[Any]) -> list[Any]:
        found = [
            (
                0,
                None,
                2,
                one.name,
                [(*entry, False, 1, False, []) for entry in topic_configs()[one.name].items()],
            )
            for one in resources
        ]
        return [SimpleNamespace(API_VERSION=2, resources=found)]

    async def describe_consumer_groups(self, _: list[str]) -> list[Any]:
        return []


SETTINGS = Settings(kafka=KafkaSettings(bootstrap_servers="one:9092", partitions=8))


async def test_kafka_that_answers_is_named_by_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "AIOKafkaAdminClient", AnsweringAdmin)
    kafka, topics, workers = await check_kafka(SETTINGS, timeout=1)
    assert (kafka.verdict, kafka.message) == ("ok", "one:9092 answers (1 broker)")
    assert [topics.verdict, workers.verdict] == ["ok", "warn"]


async def test_kafka_that_goes_away_amid_the_questions_is_named_by_its_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Leaving(AnsweringAdmin):
        async def describe_topics(self) -> list[dict[str, Any]]:
            raise KafkaConnectionError("gone")

    monkeypatch.setattr(clients, "AIOKafkaAdminClient", Leaving)
    with pytest.raises(
        UnavailableError, match=r"^Kafka at one:9092 cannot be reached \(KafkaConnectionError\)"
    ):
        await check_kafka(SETTINGS, timeout=1)
