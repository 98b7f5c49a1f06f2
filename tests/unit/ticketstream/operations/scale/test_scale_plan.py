"""What a change of the number of partitions refuses, and what it says beforehand."""

from __future__ import annotations

from array import array

import pytest
from aiokafka import TopicPartition

from schemas.errors import ConflictError, SettingsError, UserError
from schemas.settings.embedding import EmbeddingSettings
from schemas.settings.load import Settings
from schemas.topics import ENRICHED
from streams.kafka.topics import topic_configs
from ticketstream.operations.scale.homes import Change
from ticketstream.operations.scale.plan import Outcome, change_of, check_caps, fields, plan_of, require_even
from ticketstream.operations.scale.scan import Found

FOUR = dict.fromkeys(topic_configs(), 4)


def test_more_partitions_are_a_change() -> None:
    assert change_of(FOUR, None, 6) == Change(4, 6)
    assert change_of(FOUR, None, 4) is None


def test_a_topic_that_was_grown_by_hand_is_caught_up_with() -> None:
    assert change_of(FOUR | {ENRICHED: 6}, None, 6) == Change(4, 6)
    with pytest.raises(ConflictError, match="6 partitions"):
        change_of(FOUR | {ENRICHED: 6}, None, 5)


def test_what_only_a_worker_could_finish_is_named_where_none_can_start() -> None:
    require_even(FOUR, {ENRICHED: 3})
    require_even(FOUR | {ENRICHED: 2}, {})
    with pytest.raises(ConflictError, match=r"3 on tickets.enriched.*\(2 and 4\).*delete them"):
        require_even(FOUR | {ENRICHED: 2}, {ENRICHED: 3})


def test_fewer_are_refused() -> None:
    with pytest.raises(ConflictError, match="the topics have 4 partitions, and Kafka can only add some"):
        change_of(FOUR, None, 3)


def test_without_topics_there_is_nothing_to_change() -> None:
    with pytest.raises(UserError, match="TICKETSTREAM_KAFKA__PARTITIONS=6"):
        change_of({}, None, 6)


def test_what_has_begun_is_ended_first() -> None:
    grown = dict.fromkeys(topic_configs(), 6)
    assert change_of(grown, Change(4, 6), 6) == Change(4, 6)
    with pytest.raises(ConflictError, match="scale --partitions 6"):
        change_of(grown, Change(4, 6), 8)


def test_a_daily_cap_must_be_enough_for_every_partition() -> None:
    settings = Settings(embedding=EmbeddingSettings(requests_per_day=10))
    check_caps(settings, 8)
    with pytest.raises(SettingsError, match="REQUESTS_PER_DAY is 10, but each of the 16 partitions"):
        check_caps(settings, 16)


def test_the_plan_names_every_topic_and_what_moves_of_it() -> None:
    found = {
        TopicPartition(ENRICHED, 0): Found(9, array("q", [1, 5]), 600),
        TopicPartition(ENRICHED, 1): Found(9, array("q", [2]), 400),
    }
    plan = plan_of(Change(4, 6), FOUR, found, resumes=False, in_flight={ENRICHED: 3})
    assert {topic.topic for topic in plan.topics} == set(topic_configs())
    assert plan.keys == 3
    shown = fields(Outcome(status="planned", plan=plan))
    assert (shown["status"], shown["from"], shown["to"], shown["keys"]) == ("planned", 4, 6, 3)
    assert shown["in_flight"] == {ENRICHED: 3}
    assert {"topic": ENRICHED, "from": 4, "to": 6, "keys": 3, "bytes": 1_000} in shown["topics"]
    assert shown["seconds_foreseen"] >= 1
