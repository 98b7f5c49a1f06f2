"""The topics: what the broker keeps, how long, and how much."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, TopicAlreadyExistsError

from agents import topics
from agents.topics import DEAD_LETTER_MAX_BYTES, MAX_MESSAGE_BYTES, ensure_topics, topic_configs
from schemas.errors import ConflictError, SettingsError, UnavailableError
from schemas.moves import scale_marker
from schemas.settings import KafkaSettings, Settings
from schemas.state import TABLES
from schemas.topics import DEAD_LETTERS, IMPORT_COMMANDS, PIPELINE

SETTINGS = Settings(kafka=KafkaSettings(bootstrap_servers="localhost:1", partitions=4))


def test_every_topic_and_every_table_has_its_own() -> None:
    changelogs = {f"ticketstream-{table}-changelog" for table in TABLES}
    assert set(topic_configs()) == {*PIPELINE, *changelogs}


def test_what_holds_the_newest_state_is_compacted_and_nothing_else() -> None:
    compacted = {name for name, config in topic_configs().items() if config["cleanup.policy"] == "compact"}
    changelogs = {name for name in topic_configs() if name.endswith("-changelog")}
    assert compacted == {"tickets.enriched", "tickets.embedded", *changelogs}
    for name in compacted:
        config = topic_configs()[name]
        assert "retention.ms" not in config
        assert int(config["segment.bytes"]) < 2**30  # else a small changelog would never shrink


def test_dead_letters_and_commands_are_kept_for_ever() -> None:
    for name in (DEAD_LETTERS, IMPORT_COMMANDS):
        assert topic_configs()[name]["retention.ms"] == "-1"


def test_every_topic_takes_what_a_stage_may_send_and_dead_letters_take_what_any_topic_does() -> None:
    sizes = {name: int(topic_configs()[name]["max.message.bytes"]) for name in PIPELINE}
    room = 1024 * 1024
    assert min(sizes.values()) > MAX_MESSAGE_BYTES + room
    largest = max(size for name, size in sizes.items() if name != DEAD_LETTERS)
    assert sizes[DEAD_LETTERS] >= largest * 4 / 3 + room  # base64
    assert sizes[DEAD_LETTERS] == DEAD_LETTER_MAX_BYTES


class FakeAdmin:
    """A broker's administration, with the topics it has."""

    partitions: dict[str, int]
    brokers = 1
    rival = False
    away = False
    created: list[Any]

    def __init__(self, **_: Any) -> None:
        self.closed = False

    async def start(self) -> None:
        if self.away:
            raise KafkaConnectionError("nobody there")

    async def close(self) -> None:
        self.closed = True

    async def list_topics(self) -> list[str]:
        return list(self.partitions)

    async def describe_cluster(self) -> dict[str, Any]:
        return {"brokers": [{}] * self.brokers}

    async def create_topics(self, new: list[Any]) -> None:
        for topic in new:
            self.partitions[topic.name] = topic.num_partitions
            self.created.append(topic)
        if self.rival:
            raise TopicAlreadyExistsError

    async def describe_topics(self, names: list[str]) -> list[dict[str, Any]]:
        return [
            {"topic": name, "partitions": [{}] * self.partitions.get(name, 0), "error_code": 0}
            for name in names
        ]


@pytest.fixture
def admin(monkeypatch: pytest.MonkeyPatch) -> type[FakeAdmin]:
    class Admin(FakeAdmin):
        partitions: dict[str, int] = {}  # noqa: RUF012
        created: list[Any] = []  # noqa: RUF012

    monkeypatch.setattr(topics, "AIOKafkaAdminClient", Admin)
    return Admin


async def test_missing_topics_are_made_and_the_others_left(admin: type[FakeAdmin]) -> None:
    admin.partitions["tickets.changes"] = 4
    await ensure_topics(SETTINGS)
    assert {topic.name for topic in admin.created} == set(topic_configs()) - {"tickets.changes"}
    assert all(topic.num_partitions == 4 for topic in admin.created)
    assert all(topic.topic_configs == topic_configs()[topic.name] for topic in admin.created)
    admin.created.clear()
    await ensure_topics(SETTINGS)
    assert admin.created == []


@pytest.mark.parametrize(("brokers", "replicas"), [(1, 1), (2, 2), (3, 3), (9, 3)])
async def test_as_many_replicas_as_the_brokers_allow(
    admin: type[FakeAdmin], brokers: int, replicas: int
) -> None:
    admin.brokers = brokers
    await ensure_topics(SETTINGS)
    assert {topic.replication_factor for topic in admin.created} == {replicas}


async def test_another_worker_may_be_quicker(admin: type[FakeAdmin]) -> None:
    admin.rival = True
    await ensure_topics(SETTINGS)


async def test_another_number_of_partitions_is_told_with_its_variable(admin: type[FakeAdmin]) -> None:
    admin.partitions.update(dict.fromkeys(topic_configs(), 6))
    with pytest.raises(SettingsError) as caught:
        await ensure_topics(SETTINGS)
    assert str(caught.value) == (
        "topic tickets.changes has 6 partitions, but TICKETSTREAM_KAFKA__PARTITIONS is 4: set it to 6"
    )


async def test_a_topic_grown_by_hand_is_told_with_the_command_that_mends_it(admin: type[FakeAdmin]) -> None:
    admin.partitions.update(dict.fromkeys(topic_configs(), 4) | {"tickets.enriched": 6})
    with pytest.raises(SettingsError) as caught:
        await ensure_topics(SETTINGS)
    assert str(caught.value) == (
        "topic tickets.enriched has 6 partitions, others have 4: run `ticketstream scale --partitions 6`"
    )


async def test_while_partitions_are_being_added_nobody_starts(admin: type[FakeAdmin]) -> None:
    admin.partitions.update(dict.fromkeys(topic_configs(), 4) | {scale_marker(4, 6): 1})
    with pytest.raises(ConflictError, match=r"run `ticketstream scale --partitions 6` again"):
        await ensure_topics(SETTINGS)
    assert admin.created == []


async def test_a_broker_that_is_away_is_told_with_its_address(admin: type[FakeAdmin]) -> None:
    admin.away = True
    with pytest.raises(UnavailableError, match=r"localhost:1 cannot be reached .*KAFKA__BOOTSTRAP_SERVERS"):
        await ensure_topics(SETTINGS)


def test_the_broker_stamps_every_message() -> None:
    stamped = {config["message.timestamp.type"] for config in topic_configs().values()}
    assert stamped == {"LogAppendTime"}  # a worker's clock may be wrong
