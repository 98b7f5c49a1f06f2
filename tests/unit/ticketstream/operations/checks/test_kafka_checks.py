"""What `doctor` says of the topics."""

from __future__ import annotations

from streams.kafka.topic_settings import TopicSettings
from streams.kafka.topics import topic_configs
from ticketstream.operations.checks.kafka import _topics


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
