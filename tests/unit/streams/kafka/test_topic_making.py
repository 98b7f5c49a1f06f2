"""The topics: what the broker keeps, how long, and how much."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from schemas.errors import ConflictError, SettingsError, UnavailableError
from schemas.scaling import scale_marker
from schemas.settings.kafka import KafkaSettings
from schemas.settings.load import Settings
from schemas.tables import TABLES
from schemas.topics import DEAD_LETTERS, IMPORT_COMMANDS, PIPELINE
from streams.kafka import client as kafka_client
from streams.kafka import clients
from streams.kafka.topic_settings import TopicSettings, differences
from streams.kafka.topics import DEAD_LETTER_MAX_BYTES, MAX_MESSAGE_BYTES, ensure_topics, topic_configs

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
    """A broker's administration, with the topics it has; it returns what it refuses, as aiokafka does."""

    partitions: dict[str, int]
    settings: dict[str, dict[str, str]]
    """What was set for a topic; the rest is as DEFAULTS."""
    filled: set[str]
    refuses: dict[str, int]
    """For each topic, the error code of whatever changes it."""
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

    async def describe_cluster(self) -> dict[str, Any]:
        return {"brokers": [{}] * self.brokers}

    async def create_topics(self, new: list[Any]) -> Any:
        assert sum(topic.num_partitions for topic in new) <= 10_000  # more is refused by Kafka
        errors = []
        for topic in new:
            code = 36 if self.rival else self.refuses.get(topic.name, 0)
            errors.append((topic.name, code, "as told" if code else None))
            if code in (0, 36):
                self.partitions[topic.name] = topic.num_partitions
                self.settings[topic.name] = dict(topic.topic_configs)
                self.created.append(topic)
        return SimpleNamespace(topic_errors=errors)

    async def create_partitions(self, grown: dict[str, Any]) -> None:
        self.partitions |= {name: new.total_count for name, new in grown.items()}

    async def describe_topics(self) -> list[dict[str, Any]]:
        return [
            {"topic": name, "partitions": [{"partition": number} for number in range(count)]}
            for name, count in self.partitions.items()
        ]

    async def describe_configs(self, resources: list[Any]) -> list[Any]:
        answers = []
        for each in resources:
            own = self.settings.get(each.name, {})
            entries = [
                (name, value, False, 1 if name in own else 5, False, [])
                for name, value in (DEFAULTS | own).items()
            ]
            answers.append((0, None, 2, each.name, entries))
        return [SimpleNamespace(API_VERSION=2, resources=answers)]

    async def alter_configs(self, resources: list[Any]) -> list[Any]:
        answers = []
        for each in resources:
            code = self.refuses.get(each.name, 0)
            if not code:
                self.settings[each.name] = dict(each.configs)
            answers.append((code, "as told" if code else None, 2, each.name))
        return [SimpleNamespace(resources=answers)]


DEFAULTS = {
    "cleanup.policy": "delete",
    "retention.ms": "604800000",
    "retention.bytes": "-1",
    "max.message.bytes": "1048588",
    "message.timestamp.type": "CreateTime",
    "segment.bytes": "1073741824",
    "segment.ms": "604800000",
    "min.cleanable.dirty.ratio": "0.5",
}


@pytest.fixture
def admin(monkeypatch: pytest.MonkeyPatch) -> type[FakeAdmin]:
    class Admin(FakeAdmin):
        partitions: dict[str, int] = {}  # noqa: RUF012
        settings: dict[str, dict[str, str]] = {}  # noqa: RUF012
        filled: set[str] = set()  # noqa: RUF012
        refuses: dict[str, int] = {}  # noqa: RUF012
        created: list[Any] = []  # noqa: RUF012

    class Consumer:
        def __init__(self, **_: Any) -> None:
            pass

        async def start(self) -> None:
            pass

        async def stop(self) -> None:
            pass

        async def beginning_offsets(self, places: list[Any]) -> dict[Any, int]:
            return dict.fromkeys(places, 0)

        async def end_offsets(self, places: list[Any]) -> dict[Any, int]:
            return {place: 5 if place.topic in Admin.filled else 0 for place in places}

    monkeypatch.setattr(clients, "AIOKafkaAdminClient", Admin)
    monkeypatch.setattr(clients, "AIOKafkaConsumer", Consumer)
    return Admin


def made(admin: type[FakeAdmin], partitions: int) -> None:
    """Have every topic as it should be, with so many partitions."""
    admin.partitions |= dict.fromkeys(topic_configs(), partitions)
    admin.settings |= {name: dict(config) for name, config in topic_configs().items()}


async def test_missing_topics_are_made_and_the_others_left(admin: type[FakeAdmin]) -> None:
    made(admin, 4)
    for name in set(topic_configs()) - {"tickets.changes"}:
        del admin.partitions[name]
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
    made(admin, 6)
    with pytest.raises(SettingsError) as caught:
        await ensure_topics(SETTINGS)
    assert str(caught.value) == (
        "topic imports.commands has 6 partitions, but TICKETSTREAM_KAFKA__PARTITIONS is 4: set it to 6"
    )


async def test_a_topic_grown_by_hand_is_told_with_the_command_that_mends_it(admin: type[FakeAdmin]) -> None:
    made(admin, 4)
    admin.partitions["tickets.enriched"] = 6
    with pytest.raises(SettingsError) as caught:
        await ensure_topics(SETTINGS)
    assert str(caught.value) == (
        "topic tickets.enriched has 6 partitions, the others have 4: run `ticketstream scale --partitions 6`"
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


async def test_the_topic_that_differs_is_named_with_its_own_number(admin: type[FakeAdmin]) -> None:
    made(admin, 4)
    admin.partitions["tickets.embedded"] = 1
    admin.filled.add("tickets.embedded")
    with pytest.raises(SettingsError) as caught:
        await ensure_topics(SETTINGS)
    assert str(caught.value) == (
        "topic tickets.embedded has 1 partition, the others have 4: run `ticketstream scale --partitions 4`"
    )


async def test_topics_are_made_in_requests_that_kafka_takes(admin: type[FakeAdmin]) -> None:
    await ensure_topics(Settings(kafka=KafkaSettings(bootstrap_servers="localhost:1", partitions=640)))
    assert {topic.name for topic in admin.created} == set(topic_configs())


async def test_what_the_broker_refuses_to_make_is_told_with_its_reason(admin: type[FakeAdmin]) -> None:
    admin.refuses["tickets.enriched"] = 44
    with pytest.raises(SettingsError, match=r"tickets.enriched: PolicyViolationError \(as told\)"):
        await ensure_topics(SETTINGS)
    admin.refuses["tickets.enriched"] = 7  # timed out
    with pytest.raises(UnavailableError, match=r"tickets.enriched"):
        await ensure_topics(SETTINGS)


async def test_topics_that_others_made_by_asking_become_ours(admin: type[FakeAdmin]) -> None:
    admin.partitions.update(dict.fromkeys(topic_configs(), 1))
    await ensure_topics(SETTINGS)
    assert set(admin.partitions.values()) == {4}
    for name, config in topic_configs().items():
        own = admin.settings.get(name, {})
        assert not differences(TopicSettings(DEFAULTS | own, frozenset(own)), config), name


async def test_one_that_holds_messages_keeps_its_partitions(admin: type[FakeAdmin]) -> None:
    admin.partitions.update(dict.fromkeys(topic_configs(), 1))
    admin.filled.update(topic_configs())
    with pytest.raises(SettingsError, match=r"set it to 1, or run `ticketstream scale --partitions 4`"):
        await ensure_topics(SETTINGS)


async def test_what_an_operator_has_chosen_stays_but_not_what_deletes_state(admin: type[FakeAdmin]) -> None:
    made(admin, 4)
    chosen = {
        "retention.ms": str(90 * 24 * 3600 * 1000),
        "max.message.bytes": "20000000",
        "segment.ms": "60000",
    }
    admin.settings["tickets.changes"] |= chosen | {"compression.type": "zstd"}
    admin.settings["tickets.backfill"]["retention.ms"] = "1000"
    admin.settings["ticketstream-seen-changelog"]["cleanup.policy"] = "compact,delete"
    before = {name: dict(own) for name, own in admin.settings.items()}
    await ensure_topics(SETTINGS)
    assert admin.settings.pop("ticketstream-seen-changelog")["cleanup.policy"] == "compact"
    before.pop("ticketstream-seen-changelog")
    assert admin.settings == before


async def test_a_setting_the_broker_will_not_mend_stops_the_worker(admin: type[FakeAdmin]) -> None:
    made(admin, 4)
    admin.settings["tickets.embedded"]["cleanup.policy"] = "delete"
    admin.refuses["tickets.embedded"] = 29
    with pytest.raises(SettingsError, match=r"cleanup.policy is delete, and must be compact"):
        await ensure_topics(SETTINGS)


def test_no_client_asks_for_a_topic_in_a_way_that_makes_it() -> None:
    from aiokafka.protocol.metadata import MetadataRequest_v5

    asked = kafka_client.aiokafka.client.MetadataRequest(["tickets.changes"]).build(MetadataRequest_v5)
    assert asked.allow_auto_topic_creation is False
